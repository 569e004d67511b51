//! A step that failed: what it missed, found by running it once more while every look at a file is heard.

use std::time::{Duration, Instant};

use model::action::Action;
use model::event::{Event, Outcome as Ending, Unit};
use model::recipe::Step;
use model::violation::{Kind, Policy, Violation};
use sandbox::Exit;

use crate::error::FailedStep;
use crate::log::{Lines, Tail};
use crate::sealed::{Place, in_sandbox};
use crate::tell::{finished, judge, millis};
use crate::{BuildError, Context, hint, limit, missing};

/// A step that took longer to fail is not run again.
const AT_MOST: Duration = Duration::from_secs(600);

/// A file system with less room is full: whatever a step writes next may fail.
const ROOM: u64 = 1 << 20;

/// Whether the disk that steps write to has no room left.
pub(crate) fn disk_is_full(cx: &Context<'_>) -> bool {
    cx.store.room().is_some_and(|room| room < ROOM)
}

/// What came of running a failed step again.
enum Explained {
    /// This is what it missed; perhaps nothing that could be told.
    Missed(Vec<Violation>),
    /// It did not fail.
    Succeeded,
    /// It was not run again; why, if that is worth a word.
    No(Option<String>),
}

/// The error for a failed step, with all that can be said about it. It `took` that long.
pub(crate) fn explained(
    cx: &Context<'_>,
    step: &Step,
    action: &Action,
    place: &Place<'_>,
    mut failed: FailedStep,
    took: Duration,
) -> BuildError {
    failed.hints.extend(limit::raise(step, failed.exit));
    if failed.full {
        failed.hints.push(format!(
            "almost nothing was free on the disk of `{}`: the step may have failed for that alone. Free some space, or \
             remove what no release needs with `selfsame store gc`, and run again",
            cx.store.dir().display()
        ));
    } else if failed.violations.is_empty() && matches!(failed.exit, Exit::Code(_) | Exit::Signal(_)) {
        match explain(cx, step, action, place, took) {
            Err(BuildError::Cancelled) => return BuildError::Cancelled,
            // The failure is what counts; that it could not be explained is no other one.
            Err(error) => failed.hints.push(format!("what it missed could not be found out: {error}")),
            Ok(Explained::Missed(missed)) => {
                (failed.violations, failed.denied) = judge(cx, step, &missed, true);
            }
            Ok(Explained::Succeeded) => failed.hints.push(
                "run again at once, it succeeded: it is not the same each time. Look for a race, or for time or \
                 chance in its tests"
                    .to_owned(),
            ),
            Ok(Explained::No(reason)) => failed.hints.extend(reason),
        }
        if failed.violations.is_empty() {
            failed.hints.extend(hint::hints(&failed.last_lines));
        }
    }
    failed.into()
}

fn explain(
    cx: &Context<'_>,
    step: &Step,
    action: &Action,
    place: &Place<'_>,
    took: Duration,
) -> Result<Explained, BuildError> {
    let kinds = [Kind::Program, Kind::File, Kind::Write];
    if kinds.iter().all(|kind| step.policies.of(*kind) == Policy::Off) {
        return Ok(Explained::No(None));
    }
    if took > AT_MOST {
        let minutes = took.as_secs() / 60;
        let text =
            format!("it took {minutes} minutes to fail, and was not run again to find out what it missed");
        return Ok(Explained::No(Some(text)));
    }
    let name = step.name.clone();
    (cx.events)(Event::Started { stage: "explain", name: name.clone(), total: None, unit: Unit::Items });
    let begin = Instant::now();
    let mut lines = Lines::default();
    let mut redaction = place.guard.redaction();
    let ran = in_sandbox(cx, step, action, place, true, &mut |bytes| {
        redaction.write(bytes, &mut |bytes| lines.write(bytes, &mut |_| {}));
    });
    redaction.finish(&mut |bytes| lines.write(bytes, &mut |_| {}));
    finished(cx, "explain", &name, Ending::Done, "run again: what did it miss?".to_owned(), millis(begin));
    let (outcome, _scratch) = ran?;
    if outcome.exit == Exit::Code(0) {
        return Ok(Explained::Succeeded);
    }
    let Some(trace) = outcome.trace else { return Ok(Explained::No(None)) };
    let search = action.env.get("PATH").map_or("", String::as_str);
    let Tail { lines, .. } = lines.finish(&mut |_| {});
    let mut missed = outcome.violations;
    for found in missing::missing(&trace, search, &action.conditions.build_path, &lines) {
        if !missed.iter().any(|known| known.kind == found.kind && known.what == found.what) {
            missed.push(found);
        }
    }
    Ok(Explained::Missed(missed))
}

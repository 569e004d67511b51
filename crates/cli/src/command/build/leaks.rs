//! What a build does about leaks in what it made.

use engine::leaks::{self, Screened};
use engine::{BuildError, Built, Context};
use model::Event;
use serde_json::{Value, json};

use crate::args::Leaks;
use crate::command::scan;
use crate::machine::machine;
use crate::project::Project;
use crate::session::Session;

/// How many leaks of one artifact are told; the report has all.
const TOLD: usize = 3;

/// Builds and looks through the artifacts, as is asked for.
pub(super) fn build(
    cx: &Context<'_>,
    session: &Session,
    project: &Project,
    job: &engine::Job,
    (fresh, how): (bool, Leaks),
) -> Result<Built, BuildError> {
    let mut built = engine::build(cx, job, fresh)?;
    if how != Leaks::Off {
        leaks::scan(cx, job, &mut built, &machine(&[project.dir.as_path(), session.home.as_path()]))?;
    }
    if how == Leaks::Deny {
        leaks::deny(&built)?;
    }
    Ok(built)
}

/// Tells of what in the artifacts tells too much.
pub(super) fn tell(session: &Session, built: &Built) {
    for Screened { report, digest } in &built.leaks {
        let counting = report.counting();
        for leak in counting.iter().take(TOLD) {
            let finding = scan::finding(&report.artifact, leak);
            let (text, advice) = finding.split_once('\n').unwrap_or((&finding, ""));
            let advice = Some(advice.trim().to_owned());
            session.tell(&Event::Warning { text: text.to_owned(), advice });
        }
        let more = counting.len().saturating_sub(TOLD) as u64 + report.unseen();
        if more > 0 {
            let text =
                format!("{}: {more} more such findings: `selfsame show --raw {digest}`", report.artifact);
            session.tell(&Event::Note { text });
        }
        if let [first, rest @ ..] = report.unread.as_slice() {
            let place = if first.place.is_empty() { String::new() } else { format!("!/{}", first.place) };
            let others = if rest.is_empty() { String::new() } else { format!(", and {} others", rest.len()) };
            let text = format!(
                "{}{place} could not be looked into{others}: {}; its bytes were looked at as they are",
                report.artifact, first.reason
            );
            let advice = Some(format!("`selfsame show --raw {digest}` has all"));
            session.tell(&Event::Warning { text, advice });
        }
    }
}

/// What was found in an artifact, for programs: null if nobody looked.
pub(super) fn data(built: &Built, artifact: &str) -> Value {
    let found = built.leaks.iter().find(|screened| screened.report.artifact == artifact);
    found.map_or(
        Value::Null,
        |screened| json!({ "report": screened.digest, "counts": scan::counts(&screened.report.findings) }),
    )
}

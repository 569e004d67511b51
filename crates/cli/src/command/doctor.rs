//! `selfsame doctor`: what this host can do, and what would fix what it cannot.

use std::path::Path;

use anstyle::{AnsiColor, Style};
use sandbox::{Row, State};
use serde_json::json;

use crate::args::Globals;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::output::safe::plain;
use crate::session;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(globals: &Globals) -> Result<Answer, Failure> {
    let env = session::environment();
    let home = session::home(globals.home.as_deref(), &env)?;
    let mut rows = sandbox::survey(&home.join("store"));
    rows.push(git(env.get("PATH").map_or("", String::as_str), &|path| path.is_file()));
    let host = inputs::Host::discover(&env);
    rows.push(keyring(&host));
    rows.push(mirror(&host));
    let sealed = !rows.iter().any(|row| row.needed && row.state == State::Missing);
    let exit = if sealed { Exit::Ok } else { Exit::NoSandbox };
    let data = json!({ "sealed": sealed, "rows": rows });
    Ok(Answer { exit, data, text: text(&rows, sealed) })
}

/// What sources of git repositories and work trees need.
fn git(search: &str, is_there: &dyn Fn(&Path) -> bool) -> Row {
    let found = search.split(':').filter(|dir| !dir.is_empty()).map(|dir| Path::new(dir).join("git"));
    match found.into_iter().find(|path| is_there(path)) {
        Some(path) => Row::ok("git", path.display().to_string()),
        None => {
            let detail = "not in PATH: no source can be a work tree or a git repository";
            Row::not("git", State::Missing, detail, "sudo apt-get install git")
        }
    }
}

/// What `lock` checks an archive's signature with, unless the recipe brings a keyring.
fn keyring(host: &inputs::Host) -> Row {
    let named = host.apt.iter().filter_map(|source| source.signed_by.as_ref());
    let found: Vec<_> = named.chain(&host.keyrings).filter(|path| path.is_file()).collect();
    match found.as_slice() {
        [] => {
            let detail = "no keyring of Debian: `lock` needs one, or `toolchain.keyring` in the recipe";
            Row::not("keyring", State::Limited, detail, "sudo apt-get install debian-archive-keyring")
        }
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            Row::ok("keyring", format!("{}{more}", first.display()))
        }
    }
}

/// Where `lock` and `fetch` find packages, unless the recipe says. Nothing is asked of it.
fn mirror(host: &inputs::Host) -> Row {
    let suites: Vec<_> = host.apt.iter().map(|source| format!("{} {}", source.uri, source.suite)).collect();
    match (host.registries.get("deb"), suites.as_slice()) {
        (Some(address), _) => Row::ok("mirror", address.clone()),
        (None, []) => {
            let detail = "no package manager is configured for a Debian archive";
            let fix = "export SELFSAME_REGISTRY_DEB=https://…, or write `toolchain.mirror` in the recipe";
            Row::not("mirror", State::Limited, detail, fix)
        }
        (None, suites) => Row::ok("mirror", suites.join(", ")),
    }
}

/// For people: a line for each row, and below it what would fix it.
fn text(rows: &[Row], sealed: bool) -> String {
    let width = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let (color, word) = match row.state {
            State::Ok => (AnsiColor::Green, "ok"),
            State::Limited => (AnsiColor::Yellow, "limited"),
            State::Missing => (AnsiColor::Red, "missing"),
        };
        let style = Style::new().bold().fg_color(Some(color.into()));
        text.push_str(&format!(
            "  {:<width$}  {style}{word:<7}{style:#}  {}\n",
            plain(&row.what),
            plain(&row.detail)
        ));
        if let Some(fix) = &row.fix {
            text.push_str(&format!("  {:<width$}  fix:     {}\n", "", plain(fix)));
        }
    }
    let verdict = if sealed { "a sealed build can run here" } else { "no sealed build can run here" };
    text.push_str(&format!("{verdict}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_fix_below() {
        let rows = [
            Row::ok("kernel", "Linux 6.1.0"),
            Row::not("fuse", State::Limited, "no /dev/fuse", "sudo modprobe fuse"),
            git("/usr/bin:/bin", &|_| false),
            git("/usr/bin:/bin", &|path| path == Path::new("/bin/git")),
            keyring(&inputs::Host::empty()),
            mirror(&inputs::Host::empty()),
        ];
        let shown = anstream::adapter::strip_str(&text(&rows, true)).to_string();
        insta::assert_snapshot!(shown, @r"
  kernel   ok       Linux 6.1.0
  fuse     limited  no /dev/fuse
           fix:     sudo modprobe fuse
  git      missing  not in PATH: no source can be a work tree or a git repository
           fix:     sudo apt-get install git
  git      ok       /bin/git
  keyring  limited  no keyring of Debian: `lock` needs one, or `toolchain.keyring` in the recipe
           fix:     sudo apt-get install debian-archive-keyring
  mirror   limited  no package manager is configured for a Debian archive
           fix:     export SELFSAME_REGISTRY_DEB=https://…, or write `toolchain.mirror` in the recipe
a sealed build can run here
");
    }
}

//! Which package of this host has a file: Debian's record of what it has installed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// The installed package that brought the file at `path`, by dpkg's record below `root`; `None` if none did, or if this
/// is no such host. For packages of several architectures, the name alone.
#[must_use]
pub fn package_of(root: &Path, path: &str) -> Option<String> {
    // What lies in /usr may be recorded where it lay before the two were merged.
    let other = path.strip_prefix("/usr").filter(|rest| rest.starts_with("/bin") || rest.starts_with("/lib"));
    let mut lists: Vec<_> = fs::read_dir(root.join("var/lib/dpkg/info"))
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "list"))
        .collect();
    lists.sort();
    lists.into_iter().find_map(|list| {
        let lines = BufReader::new(fs::File::open(&list).ok()?).lines();
        let has = lines.map_while(Result::ok).any(|line| line == path || Some(line.as_str()) == other);
        let name = list.file_stem()?.to_str()?.to_owned();
        has.then(|| name.split(':').next().unwrap_or_default().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_that_lists_a_file_is_its_owner() {
        let root = tempfile::tempdir().unwrap();
        let info = root.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join("zlib1g-dev:amd64.list"), "/.\n/usr/include\n/usr/include/zlib.h\n").unwrap();
        fs::write(info.join("dash.list"), "/.\n/bin/dash\n").unwrap();
        fs::write(info.join("dash.md5sums"), "/usr/include/zlib.h\n").unwrap();
        let owner = |path| package_of(root.path(), path);
        assert_eq!(owner("/usr/include/zlib.h").as_deref(), Some("zlib1g-dev"));
        assert_eq!(owner("/usr/bin/dash").as_deref(), Some("dash"));
        assert_eq!(owner("/usr/bin/das"), None);
        assert_eq!(package_of(Path::new("/nowhere"), "/usr/bin/dash"), None);
    }
}

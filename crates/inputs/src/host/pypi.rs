//! `pip`: where its simple index is.

use super::Host;

/// From the environment or pip's configuration, else asked of the `pip` module, which knows its own default.
pub(super) fn simple_index(host: &Host) -> Result<String, String> {
    if let Some(url) = host.env.get("PIP_INDEX_URL").filter(|u| !u.is_empty()) {
        return Ok(url.clone());
    }
    let home = host.home();
    let user = home.iter().flat_map(|h| [h.join(".config/pip/pip.conf"), h.join(".pip/pip.conf")]);
    for path in user.chain(std::iter::once("/etc/pip.conf".into())) {
        if let Some(url) = std::fs::read_to_string(path).ok().as_deref().and_then(setting) {
            return Ok(url);
        }
    }
    let program = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
    host.ask("python3", &["-c", program])
}

fn setting(text: &str) -> Option<String> {
    text.lines().filter_map(|l| l.split_once(['=', ':'])).find_map(|(key, value)| {
        matches!(key.trim(), "index-url" | "index_url").then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_setting_is_found() {
        let text = "[global]\ncert = /c\nindex-url = https://p.example.org/simple\n";
        assert_eq!(super::setting(text).as_deref(), Some("https://p.example.org/simple"));
        assert_eq!(super::setting("[global]\ncert=/c\n"), None);
    }
}

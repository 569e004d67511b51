//! Licence texts: an SPDX expression, or only a name.

use spdx::{Expression, LicenseItem, ParseMode};

/// What a package says about its licence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Licence {
    /// A valid expression, and the `LicenseRef-`s in it, which a document has to explain.
    Expression(String, Vec<String>),
    /// Some other text.
    Name(String),
}

/// Deprecated identifiers (`GPL-2.0+`) are on the list and valid; guesses at misspelt ones are not made.
const MODE: ParseMode = ParseMode {
    allow_slash_as_or_operator: false,
    allow_imprecise_license_names: false,
    allow_postfix_plus_on_gpl: true,
    allow_deprecated: true,
    allow_unknown: false,
};

pub(super) fn licence(text: Option<&str>) -> Option<Licence> {
    let text = text.map(str::trim).filter(|t| !t.is_empty() && *t != "NOASSERTION")?;
    // SPDX 2.3 wants operators in capitals; 3.0 and the parser take both.
    let word = |w| match w {
        "and" => "AND",
        "or" => "OR",
        "with" => "WITH",
        other => other,
    };
    let upper = text.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let Ok(expression) = Expression::parse_mode(&upper, MODE) else {
        return Some(Licence::Name(text.into()));
    };
    let mut references = Vec::new();
    for requirement in expression.requirements() {
        if let LicenseItem::Other(other) = &requirement.req.license {
            references.push(other.to_string());
        }
    }
    // Both need another document, which there is none of.
    if text.contains("DocumentRef-") || text.contains("AdditionRef-") {
        return Some(Licence::Name(text.into()));
    }
    references.sort();
    references.dedup();
    Some(Licence::Expression(upper, references))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expressions_are_expressions() {
        for text in
            ["MIT", "GPL-2.0+", "GPL-2.0-or-later AND (MIT OR Zlib)", "GPL-3.0-only WITH GCC-exception-3.1"]
        {
            assert_eq!(licence(Some(text)), Some(Licence::Expression(text.into(), vec![])), "{text}");
        }
        for text in ["Expat-ish", "BSD", "DocumentRef-x:LicenseRef-y", "MIT AND", "()"] {
            assert_eq!(licence(Some(text)), Some(Licence::Name(text.into())), "{text}");
        }
        assert_eq!(
            licence(Some("LicenseRef-b AND MIT AND LicenseRef-a")),
            Some(Licence::Expression(
                "LicenseRef-b AND MIT AND LicenseRef-a".into(),
                vec!["LicenseRef-a".into(), "LicenseRef-b".into()]
            ))
        );
        assert_eq!(
            licence(Some("MIT and  (Zlib or ISC)")),
            Some(Licence::Expression("MIT AND (Zlib OR ISC)".into(), vec![]))
        );
        for nothing in [None, Some(""), Some(" "), Some("NOASSERTION")] {
            assert_eq!(licence(nothing), None);
        }
    }
}

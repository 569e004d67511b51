//! The guide lists the rules as they are.

use inputs::audit::{RULES, by_name};

#[test]
fn the_guide_has_this_very_table() {
    let mut rows = String::from(
        "| rule | weighs | bar | points | what is found | why it matters |\n|---|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let points: Vec<String> = rule.points.iter().map(|p| format!("R{p}")).collect();
        rows.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            rule.id,
            rule.severity.as_str(),
            rule.bar.as_str(),
            points.join(" "),
            rule.title,
            rule.why
        ));
    }
    let guide = include_str!("../../../../../docs/guide/audit.md");
    assert!(guide.contains(&rows), "docs/guide/audit.md should have:\n{rows}");
}

#[test]
fn names_are_unique_and_points_exist() {
    for (at, rule) in RULES.iter().enumerate() {
        assert!(RULES.iter().skip(at + 1).all(|other| other.id != rule.id), "{}", rule.id);
        assert!(rule.points.iter().all(|p| (1..=12).contains(p)) && !rule.points.is_empty(), "{}", rule.id);
        assert_eq!(by_name(&rule.id.to_lowercase()), Some(rule));
    }
}

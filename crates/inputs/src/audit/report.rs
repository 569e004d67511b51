//! The whole answer: findings in order, four bars, twelve points.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::readiness::{Maturity, Point};
use super::rule::{Bar, Severity};

/// What an audit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By file, place and rule.
    pub findings: Vec<Finding>,
    /// What comments allow, in the same order.
    pub allowed: Vec<Finding>,
    /// How many files were looked at.
    pub files: usize,
    /// 0 to 100 for each bar, in the order of [`Bar::ALL`].
    pub bars: [u32; 4],
    /// The twelve points.
    pub points: Vec<Point>,
    /// The level that they make.
    pub maturity: Maturity,
}

impl Report {
    /// 0 to 100: the mean of the bars.
    #[must_use]
    pub fn score(&self) -> u32 {
        self.bars.iter().sum::<u32>() / 4
    }

    /// How many findings there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }

    /// True if a finding weighs as much as `severity`, or more.
    #[must_use]
    pub fn fails(&self, severity: Severity) -> bool {
        self.findings.iter().any(|f| f.severity >= severity)
    }
}

/// The bars: from 100, each rule takes off by its weight, once more for every further finding but ever less, and twice as
/// much if it was observed.
pub(crate) fn bars(findings: &[Finding]) -> [u32; 4] {
    Bar::ALL.map(|bar| {
        let mut by_rule: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for finding in findings.iter().filter(|f| f.rule.bar == bar) {
            let base = match finding.severity {
                Severity::Error => 15,
                Severity::Warn => 5,
                Severity::Info => 1,
            };
            let base = if finding.observed { base * 2 } else { base };
            let (most, count) = by_rule.entry(finding.rule.id).or_default();
            *most = base.max(*most);
            *count += 1;
        }
        let lost: u32 = by_rule.values().map(|(most, count)| most + (most / 5) * (count - 1).min(5)).sum();
        100_u32.saturating_sub(lost)
    })
}

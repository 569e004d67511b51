//! SBOMs: an [`Inventory`] as CycloneDX 1.6 and as SPDX 2.3, both JSON.
//!
//! The same inventory gives the same bytes, in whatever order its lists are: components are sorted by their
//! purl or locator, the only time is `SOURCE_DATE_EPOCH`, and the serial number and the namespace are made of
//! the document's own hash. Field by field in `docs/formats/sbom.md`.

mod cyclonedx;
mod licence;
mod spdx;

use std::collections::{BTreeMap, BTreeSet};

use model::sbom::{Component, Inventory, InventoryArtifact, Role};
use model::statement::Statement;
use serde_json::Value;

pub use cyclonedx::cyclonedx;
pub use spdx::spdx;

use crate::provenance::{SubjectRecord, subjects};

/// Media type of what [`cyclonedx`] gives.
pub const CYCLONEDX_MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";
/// Media type of what [`spdx()`] gives.
pub const SPDX_MEDIA_TYPE: &str = "application/spdx+json";

/// The statement that attaches an SBOM to artifacts: the predicate is the SBOM itself.
///
/// # Errors
/// If `sbom` is no JSON.
pub fn statement(
    predicate_type: &str,
    sbom: &[u8],
    artifacts: &[SubjectRecord],
) -> Result<Statement, serde_json::Error> {
    let predicate: Value = serde_json::from_slice(sbom)?;
    Ok(Statement::new(subjects(artifacts), predicate_type, predicate))
}

/// An inventory in the one order: artifacts by name, components by id, each once; relations only to what is there.
struct Sorted<'a> {
    artifacts: Vec<&'a InventoryArtifact>,
    components: BTreeMap<&'a str, &'a Component>,
}

impl<'a> Sorted<'a> {
    fn new(inventory: &'a Inventory) -> Self {
        let mut artifacts: Vec<_> = inventory.artifacts.iter().collect();
        artifacts.sort_by(|a, b| (&a.name, a.digest).cmp(&(&b.name, b.digest)));
        let mut components: BTreeMap<&str, &Component> = BTreeMap::new();
        for component in &inventory.components {
            let kept = components.entry(&component.id).or_insert(component);
            // Two sources can have one origin; which of them is listed must not hang on their order.
            if (component.role, &component.name) < (kept.role, &kept.name) {
                *kept = component;
            }
        }
        Self { artifacts, components }
    }

    /// The dependencies that hang on the product itself: those that the project asks for, and those that nothing else
    /// leads to, so that every one is reached. Sorted.
    fn direct(&self) -> BTreeSet<&'a str> {
        let dependencies = || self.components.values().copied().filter(|c| c.role == Role::Dependency);
        let mut needed = BTreeSet::new();
        dependencies().for_each(|c| needed.extend(self.depends(c)));
        let asked = dependencies().filter(|c| c.direct == Some(true));
        let alone = dependencies().filter(|c| !needed.contains(c.id.as_str()));
        let (mut direct, mut reached) = (BTreeSet::new(), BTreeSet::new());
        // Last all, for circles that nothing leads into: their first stands for them.
        for component in asked.chain(alone).chain(dependencies()) {
            let id = component.id.as_str();
            if component.direct == Some(true) || !reached.contains(id) {
                direct.insert(id);
            }
            let mut open = vec![component];
            while let Some(next) = open.pop() {
                if reached.insert(next.id.as_str()) {
                    open.extend(self.depends(next).into_iter().map(|id| self.components[id]));
                }
            }
        }
        direct
    }

    fn depends(&self, component: &'a Component) -> BTreeSet<&'a str> {
        let known = |id: &&str| self.components.contains_key(id) && *id != component.id;
        component.depends.iter().map(String::as_str).filter(known).collect()
    }
}

/// Who makes a component. A source without one is the work tree of whoever makes the product.
fn producer<'a>(inventory: &'a Inventory, component: &'a Component) -> Option<&'a str> {
    let own = component.producer.as_deref();
    own.or(inventory.producer.as_deref().filter(|_| component.role == Role::Source))
}

/// Hashes that both formats can hold: name here, in CycloneDX, in SPDX, and hexadecimal digits.
const ALGORITHMS: [(&str, &str, &str, usize); 5] = [
    ("md5", "MD5", "MD5", 32),
    ("sha1", "SHA-1", "SHA1", 40),
    ("sha256", "SHA-256", "SHA256", 64),
    ("sha384", "SHA-384", "SHA384", 96),
    ("sha512", "SHA-512", "SHA512", 128),
];

/// CycloneDX name, SPDX name and lower-case value of each hash that can be written.
fn hashes(hashes: &BTreeMap<String, String>) -> impl Iterator<Item = (&'static str, &'static str, String)> {
    ALGORITHMS.iter().filter_map(|(name, cyclonedx, spdx, digits)| {
        let hex = hashes.get(*name)?.to_ascii_lowercase();
        let whole = hex.len() == *digits && hex.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then_some((*cyclonedx, *spdx, hex))
    })
}

//! Root filesystems for steps, by digest. So far always of Debian packages.

pub(crate) mod debian;

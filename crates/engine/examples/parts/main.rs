//! Single parts of the engine as programs, so that `cargo xtask bench` can time them against other programs.
//!
//! `parts hash FILE` prints a file's digest; `parts import STORE DIR` takes a directory into a store and prints its
//! digest; `parts pack STORE DIGEST FORMAT OUT` packs it; `parts start DIR ROUNDS FILES…` prints times of sandboxes.
//! Nothing here is meant for anything else.

mod start;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::os::fd::AsFd as _;
use std::path::Path;

use artifact::{Contents, Member, Options};
use model::recipe::Format;
use model::tree::Node;
use model::{Digest, RelPath, Timestamp};
use store::Store;

struct Blobs<'a>(&'a Store);

impl Contents for Blobs<'_> {
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.0.open_blob(digest).map_err(io::Error::other)?))
    }
}

#[allow(clippy::print_stdout, reason = "a program whose answer is what it prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["hash", file] => println!("{}", engine::package::digest_of(Path::new(file))?),
        ["import", store, dir] => {
            let node = Store::open(Path::new(store))?.import(File::open(dir)?.as_fd(), &RelPath::root())?;
            let Some(Node::Directory(digest)) = node else { return Err("not a directory".into()) };
            println!("{digest}");
        }
        ["pack", store, digest, format, out] => {
            let store = Store::open(Path::new(store))?;
            let format = match format {
                "tar" => Format::Tar,
                "tar.gz" => Format::TarGz,
                "tar.zst" => Format::TarZst,
                _ => return Err("formats: tar, tar.gz, tar.zst".into()),
            };
            let members: Vec<Member> =
                store.walk(&digest.parse()?)?.into_iter().map(|(path, node)| Member { path, node }).collect();
            let options = Options { mtime: Timestamp(0), prefix: RelPath::root() };
            let mut out = BufWriter::new(File::create(out)?);
            artifact::pack(format, &members, &options, &Blobs(&store), &mut out)?;
        }
        ["start", dir, rounds, ref files @ ..] => {
            let files = files.iter().map(|number| number.parse()).collect::<Result<Vec<usize>, _>>()?;
            start::run(Path::new(dir), rounds.parse()?, &files)?;
        }
        _ => return Err("usage: parts hash | import | pack | start …: see the source".into()),
    }
    Ok(())
}

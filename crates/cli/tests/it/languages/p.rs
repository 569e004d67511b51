use std::hash::{BuildHasher, Hasher};

extern "C" {
    fn umask(mask: u32) -> u32;
}

fn main() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let names: Vec<_> =
        std::fs::read_dir("d").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let cpus = std::thread::available_parallelism().unwrap();
    let mask = unsafe { umask(0) };
    println!(
        "time {} {} random {:016x} dir {} cpus {} pid {} umask {:03o}",
        now.as_secs(),
        now.as_nanos(),
        random,
        names.join(" "),
        cpus,
        std::process::id(),
        mask
    );
}

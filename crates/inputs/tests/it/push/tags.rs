//! A tag is a promise: it is of another image only if whoever pushes says that it may be.

use super::servers::all;
use super::{Given, PLAIN, hex, layout, pull, push, push_with};
use crate::world::World;

#[test]
fn a_tag_of_other_bits_is_refused_and_moves_only_if_told() {
    for server in &all() {
        let name = server.name;
        let world = World::new();
        let (one, first) = layout(&world, "one", 1, 100);
        let (two, second) = layout(&world, "two", 2, 100);
        let to = format!("{}/app:latest", server.address);
        push(&world, &one, &to).unwrap();
        let error = push(&world, &two, &to).unwrap_err();
        let expected = format!("expected {second}\n  found    {first}");
        assert!(error.contains("the tag `latest`") && error.contains(&expected), "{name}: {error}");
        assert_eq!(hex(&pull(&world, &to, &format!("{name}-1.tar")).unwrap().0.digest), first);
        let moved = push_with(&world, &two, &to, &Given { move_tag: true, ..PLAIN }).unwrap();
        assert_eq!(format!("sha256:{}", moved.tag_was.unwrap()), first, "{name}");
        assert_eq!(hex(&pull(&world, &to, &format!("{name}-2.tar")).unwrap().0.digest), second);
        // A digest beside the tag must be that of what is pushed.
        let error = push(&world, &one, &format!("{to}@{second}")).unwrap_err();
        assert!(error.contains(&format!("expected {second}\n  found    {first}")), "{name}: {error}");
        push(&world, &two, &format!("{to}@{second}")).unwrap();
    }
}

//! A build on a host that refuses a layer of the sandbox: refused, or asked for and told everywhere.

use serde_json::Value;

use crate::home::{Home, Ran, bare, need, ran};
use crate::project::{Project, one_step};

/// The binary on a host that has no more network namespaces.
fn without_network(home: &Home, project: &Project, args: &[&str]) -> Ran {
    need(&["unshare", "setpriv"]);
    let script = "echo 0 > /proc/sys/user/max_net_namespaces
                  exec setpriv --bounding-set=-all,+setfcap --inh-caps=-all \"$@\"";
    let mut command = bare("unshare".as_ref(), home.path(), project.path());
    command.args(["--user", "--map-root-user", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_selfsame")]);
    ran(command.args(args))
}

fn cached(result: &Value) -> bool {
    result["cached"] == true
}

#[test]
fn a_degraded_build_is_asked_for_told_and_kept_apart() {
    let home = Home::shared();
    // Other each time: the store remembers.
    let mark = format!("mkdir out; echo {} > out/file", std::process::id());
    let project = Project::new(&one_step(&[&mark]), &[]);
    let (code, error) = without_network(&home, &project, &["build", "--json"]).envelope("build");
    assert_eq!(code, 11, "never less than asked: {error:#}");
    assert!(error["help"].to_string().contains("max_net_namespaces"), "{error:#}");

    let ran = without_network(&home, &project, &["build", "--sandbox=degraded"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("ran LESS SEALED") && ran.err.contains("network-namespace"), "{ran:?}");
    let ran = without_network(&home, &project, &["reproduce", "--sandbox=degraded", "--json"]);
    let (code, result) = ran.envelope("reproduce");
    assert_eq!((code, &result["rebuild"]["verdict"]), (0, &"reproduced".into()), "{result:#}");
    assert!(cached(&result["build"]));
    assert_eq!(result["build"]["steps"][0]["components"]["sandbox"], "degraded");
    let observation = result["build"]["steps"][0]["observation"].as_str().unwrap();
    let seen: Value =
        serde_json::from_str(&home.run(project.path(), &["show", "--raw", observation]).out).unwrap();
    assert_eq!(seen["achieved"]["degraded"], serde_json::json!(["network-namespace"]));

    let bundle = std::fs::read_to_string(project.file("selfsame-out/out.tar.sigstore.json")).unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let mut decode = std::process::Command::new("sh");
    let statement = crate::home::ran(decode.args(["-c", "printf %s \"$1\" | base64 -d", "sh", payload])).out;
    let statement: Value = serde_json::from_str(&statement).unwrap();
    let internal = &statement["predicate"]["buildDefinition"]["internalParameters"];
    assert_eq!(internal["sandbox"]["build"]["degraded"], serde_json::json!(["network-namespace"]));

    let sealed = home.ok(project.path(), &["build"]);
    assert!(!cached(&sealed), "a sealed build takes nothing from a degraded one: {sealed:#}");
    assert!(cached(&home.ok(project.path(), &["build"])));
    assert_eq!(sealed["steps"][0]["components"].get("sandbox"), None);
    assert_ne!(sealed["steps"][0]["action"], result["build"]["steps"][0]["action"]);
}

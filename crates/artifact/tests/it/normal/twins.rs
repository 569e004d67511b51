//! For each format: a real tool's two outputs, made at other times, in another order, by another user, are made equal,
//! and work afterwards.

use super::scene::{Scene, normal};

/// Two files that differ become one, which is another run's own result again.
fn equal(name: &str, first: &[u8], second: &[u8]) -> Vec<u8> {
    assert!(first != second, "{name}: the tool's outputs do not differ, so this shows nothing");
    let (one, other) = (normal(name, first), normal(name, second));
    if one != other {
        let at = one.iter().zip(&other).position(|(a, b)| a != b);
        unreachable!("{name}: {} and {} bytes, first difference at {at:?}", one.len(), other.len());
    }
    assert!(normal(name, &one) == one, "{name}: normalising twice is not normalising once");
    one
}

/// Two folders with the same files, made in another order, at another time, under another umask.
fn folders(scene: &Scene) {
    scene.run(
        "umask 022; mkdir -p a/d; echo one >a/x; echo two >a/b; echo three >a/d/c; ln -s x a/l; chmod +x a/b; ln a/x a/y
         umask 002; mkdir -p b/d; ln -s x b/l; echo three >b/d/c; echo two >b/b; chmod +x b/b; echo one >b/y; ln b/y b/x
         find a -exec touch -h -d '2025-03-01 10:00:01 UTC' {} +; find b -exec touch -h -d '2026-07-01 11:30:33 UTC' {} +",
    );
}

#[test]
fn tar_in_all_its_wrappings() {
    let scene = Scene::new();
    folders(&scene);
    scene.run("tar -C a --format=gnu --sort=name --owner=builder:1000 --group=users:100 -cf 1.tar .");
    scene.run("tar -C b --format=pax --owner=root:0 --group=root:0 -cf 2.tar ./y ./l ./d ./x ./b --no-recursion . d");
    // `--no-recursion` holds for what follows it, so the second one has directories behind their content.
    scene.run("tar -C b --format=pax --owner=root:0 -cf 2.tar --no-recursion ./y ./l ./d/c ./x ./b . ./d");
    let one = equal("x.tar", &scene.read("1.tar"), &scene.read("2.tar"));
    scene.write("out.tar", one);
    let list = scene.run("TZ=UTC tar --numeric-owner -tvf out.tar");
    assert_eq!(
        list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>(),
        [
            "drwxr-xr-x 0/0 0 2023-11-14 22:13 ./",
            "-rwxr-xr-x 0/0 4 2023-11-14 22:13 ./b",
            "drwxr-xr-x 0/0 0 2023-11-14 22:13 ./d/",
            "-rw-r--r-- 0/0 6 2023-11-14 22:13 ./d/c",
            "lrwxrwxrwx 0/0 0 2023-11-14 22:13 ./l -> x",
            "-rw-r--r-- 0/0 4 2023-11-14 22:13 ./x",
            "hrw-r--r-- 0/0 0 2023-11-14 22:13 ./y link to ./x",
        ]
    );
    for (program, ending) in
        [("gzip -6", "gz"), ("xz -1", "xz"), ("zstd -q --rm -3", "zst"), ("bzip2 -1", "bz2")]
    {
        scene.run(&format!("cp 1.tar w1.tar; cp 2.tar w2.tar; {program} w1.tar w2.tar"));
        let name = format!("x.tar.{ending}");
        let read = |n: u8| scene.read(&format!("w{n}.tar.{ending}"));
        let packed = equal(&name, &read(1), &read(2));
        scene.write(&name, packed);
        let tool = program.split(' ').next().unwrap();
        scene.run(&format!("{tool} -dc {name} | cmp - out.tar; rm w?.tar.{ending}"));
    }
}

#[test]
fn gzip_of_anything_else_keeps_its_stream() {
    let scene = Scene::new();
    scene.run("echo text >t; touch -d @1750000000 t; gzip -c t >1.gz; touch -d @1760000000 t; gzip -c t >2.gz; cat 1.gz 2.gz >3.gz");
    scene.run("touch -d @1770000000 t; gzip -c t >4.gz; cat 2.gz 4.gz >5.gz");
    let (first, second) = (scene.read("1.gz"), scene.read("2.gz"));
    let one = equal("t.gz", &first, &second);
    assert!(one[8..] == first[8..] && one[4..8] == 1_700_000_000u32.to_le_bytes());
    let several = equal("t.gz", &scene.read("3.gz"), &scene.read("5.gz"));
    scene.write("out.gz", several);
    assert_eq!(scene.run("gzip -dc out.gz"), "text\ntext\n");
}

#[test]
fn zip_of_info_zip_and_of_python() {
    let scene = Scene::new();
    folders(&scene);
    scene.run("cd a; TZ=UTC zip -qry ../1.zip x b d l; cd ../b; TZ=Asia/Tokyo zip -qry ../2.zip l d b x");
    let one = equal("x.zip", &scene.read("1.zip"), &scene.read("2.zip"));
    scene.write("out.zip", one);
    scene.run("unzip -qq out.zip -d out; test -x out/b; test ! -x out/x; test $(readlink out/l) = x");
    assert_eq!(scene.run("cat out/x out/b out/d/c"), "one\ntwo\nthree\n");
    scene.run("cd a; python3 -m zipfile -c ../3.zip x b d; touch -d '2026-09-09 UTC' x; python3 -m zipfile -c ../4.zip d b x");
    scene.write("py.zip", equal("x.zip", &scene.read("3.zip"), &scene.read("4.zip")));
    scene.run("python3 -m zipfile -t py.zip; unzip -tqq py.zip");
}

#[test]
fn a_jar_runs() {
    let scene = Scene::new();
    let main = "public class Main { public static void main(String[] a) throws Exception {
        System.out.print(new String(Main.class.getResourceAsStream(\"/text\").readAllBytes())); } }";
    scene.write("Main.java", main).write("text", "hello\n");
    scene.run("javac -d . Main.java");
    scene.write("p1/x.properties", "#made\n#Tue Nov 24 22:44:16 UTC 2026\nkey=value\n");
    scene.write("p2/x.properties", "#made\n#Wed Nov 25 21:12:01 CET 2026\nkey=value\n");
    scene.write("m1", "Built-By: alice\nBuild-Jdk: 17.0.1\nKept: yes\n");
    scene.write("m2", "Built-By: bob-with-a-name-that-is-so-long-that-the-line-has-to-be-continued-on-the-next\nKept: yes\n");
    scene.run("touch -d '2025-01-01 UTC' *; jar cfme 1.jar m1 Main Main.class text -C p1 x.properties");
    scene.run("touch -d '2026-01-01 UTC' *; jar cfme 2.jar m2 Main text -C p2 x.properties Main.class");
    let one = equal("x.jar", &scene.read("1.jar"), &scene.read("2.jar"));
    scene.write("out.jar", one);
    assert_eq!(scene.run("java -jar out.jar"), "hello\n");
    let manifest = scene.run("unzip -p out.jar META-INF/MANIFEST.MF");
    assert!(manifest.contains("Kept: yes") && manifest.contains("Main-Class: Main"), "{manifest}");
    assert!(!manifest.contains("Built-By") && !manifest.contains("continued"), "{manifest}");
    // A jar in a war, which is a jar too.
    scene.run("mkdir lib; cp 1.jar lib/x.jar; jar cf 1.war lib; cp 2.jar lib/x.jar; touch -d '2026-02-02 UTC' lib; jar cf 2.war lib");
    scene.write("out.war", equal("x.war", &scene.read("1.war"), &scene.read("2.war")));
    scene.run("unzip -qq out.war lib/x.jar -d w; cmp w/lib/x.jar out.jar");
}

#[test]
fn a_signed_jar_is_left_alone() {
    let scene = Scene::new();
    scene.write("text", "hello\n");
    scene.run("jar cf s.jar text; keytool -genkeypair -keyalg RSA -keystore k -storepass secret1 -dname CN=x -alias a 2>/dev/null
               jarsigner -keystore k -storepass secret1 s.jar a >/dev/null");
    let made = super::scene::made("s.jar", &scene.read("s.jar"));
    assert!(made.bytes.is_none() && made.changes.is_empty());
    assert!(made.left[0].reason.starts_with("it is signed (`META-INF/A.SF`)"), "{:?}", made.left);
}

#[test]
fn a_wheel_installs() {
    let scene = Scene::new();
    let files = "import sys, zipfile, hashlib, base64
name, when, order, pyc = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(','), open(sys.argv[4], 'rb').read()
files = {'demo/__init__.py': b'ANSWER = 42\\n', 'demo/data.gz': pyc,
 'demo-1.0.dist-info/METADATA': b'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n',
 'demo-1.0.dist-info/WHEEL': b'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}
rows = []
with zipfile.ZipFile(name, 'w', zipfile.ZIP_DEFLATED) as z:
    def put(n, data):
        i = zipfile.ZipInfo(n, (when, 5, 6, 7, 8, 10)); i.external_attr = 0o100664 << 16; i.compress_type = 8
        z.writestr(i, data)
    for n in order:
        n = {'i':'demo/__init__.py','d':'demo/data.gz','m':'demo-1.0.dist-info/METADATA','w':'demo-1.0.dist-info/WHEEL'}[n]
        put(n, files[n])
        rows.append('%s,sha256=%s,%d' % (n, base64.urlsafe_b64encode(hashlib.sha256(files[n]).digest()).rstrip(b'=').decode(), len(files[n])))
    rows.append('demo-1.0.dist-info/RECORD,,')
    put('demo-1.0.dist-info/RECORD', ('\\n'.join(rows) + '\\n').encode())
";
    scene.write("make.py", files);
    scene.run(
        "echo data >t; touch -d @1750000000 t; gzip -c t >1.gz; touch -d @1760000000 t; gzip -c t >2.gz",
    );
    scene.run("python3 make.py demo-1.0-py3-none-any.1 2025 i,d,m,w 1.gz; python3 make.py demo-1.0-py3-none-any.2 2026 w,m,d,i 2.gz");
    let name = "demo-1.0-py3-none-any.whl";
    let one = equal(name, &scene.read("demo-1.0-py3-none-any.1"), &scene.read("demo-1.0-py3-none-any.2"));
    scene.write(name, one);
    scene.run(&format!("python3 -m venv v; v/bin/pip install --quiet --no-index --no-deps ./{name}"));
    assert_eq!(scene.run("v/bin/python -c 'import demo; print(demo.ANSWER)'"), "42\n");
    // Every hash of the list is that of its file.
    scene.write("check.py", format!("import zipfile,hashlib,base64
z = zipfile.ZipFile('{name}'); rows = z.read('demo-1.0.dist-info/RECORD').decode().split()
assert z.namelist()[-1] == 'demo-1.0.dist-info/RECORD', z.namelist()
for row in rows[:-1]:
    n, h, s = row.split(','); d = z.read(n)
    assert h == 'sha256=' + base64.urlsafe_b64encode(hashlib.sha256(d).digest()).rstrip(b'=').decode() and int(s) == len(d), row
assert rows[-1] == 'demo-1.0.dist-info/RECORD,,' and len(rows) == 5, rows
"));
    scene.run("python3 check.py");
}

#[test]
fn a_static_library_links() {
    let scene = Scene::new();
    scene
        .write("a.c", "int answer(void) { return 42; }")
        .write("m.c", "int answer(void); int main(void) { return answer() != 42; }");
    let long = "a_name_that_is_too_long_for_the_header_of_a_member.c";
    scene.write(long, "int other(void) { return 1; }");
    scene.run("cc -c *.c; umask 022; touch -d @1750000000 *.o; ar crU 1.a a.o a_name*.o; umask 002; chmod 664 *.o; touch -d @1760000000 *.o; ar crU 2.a a.o a_name*.o");
    let one = equal("lib.a", &scene.read("1.a"), &scene.read("2.a"));
    scene.write("lib.a", one);
    scene.run("cc -o m m.o lib.a; ./m");
    assert!(scene.run("TZ=UTC ar tv lib.a").contains("rw-r--r-- 0/0"));
}

#[test]
fn a_debian_package_installs() {
    let scene = Scene::new();
    let make = "rm -rf p; umask $1; mkdir -p p/DEBIAN p/usr/share/demo p/etc
        printf 'Package: demo\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' >p/DEBIAN/control
        echo data >t; touch -d @$2 t; gzip -c t >p/usr/share/demo/data.gz; echo x >p/etc/demo.conf; chmod 640 p/etc/demo.conf
        (cd p; md5sum usr/share/demo/data.gz etc/demo.conf >DEBIAN/md5sums)
        chmod 755 p/DEBIAN; find p -exec touch -d @$2 {} +; SOURCE_DATE_EPOCH=$2 dpkg-deb --root-owner-group -Z$4 -b p $3 >/dev/null";
    scene.write("make", make);
    for compressor in ["xz", "gzip", "none", "zstd"] {
        scene.run(&format!(
            "sh -e make 022 1750000000 1.deb {compressor}; sh -e make 002 1760000000 2.deb {compressor}"
        ));
        let one = equal("demo.deb", &scene.read("1.deb"), &scene.read("2.deb"));
        scene.write("demo.deb", one);
        let list = scene.run("TZ=UTC dpkg-deb -c demo.deb");
        assert!(list.contains("-rw-r----- root/root"), "{list}");
        assert!(list.lines().all(|line| line.contains("2023-11-14 22:13")), "{list}");
        // Installed by dpkg itself, into a root of its own; its sums hold.
        scene.run(
            "rm -rf root; mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates; : >root/var/lib/dpkg/status
             dpkg --root=$PWD/root --force-not-root --force-script-chrootless --log=$PWD/log --force-bad-path -i demo.deb >/dev/null
             cd root; md5sum -c --quiet var/lib/dpkg/info/demo.md5sums; test \"$(gzip -dc usr/share/demo/data.gz)\" = data",
        );
    }
}

#[test]
fn cpio_unpacks() {
    let scene = Scene::new();
    folders(&scene);
    scene.run("rm a/y b/y; cd a; find . | sort | cpio -o -H newc --quiet >../1.cpio; cd ../b; printf '%s\\n' . ./d ./x ./l ./d/c ./b | cpio -o -H newc --quiet >../2.cpio");
    scene.run("rm -rf a; cp -r b c; rm -rf b"); // other inodes
    let one = equal("x.cpio", &scene.read("1.cpio"), &scene.read("2.cpio"));
    scene.write("out.cpio", one);
    assert_eq!(scene.run("mkdir o; cd o; cpio -id --quiet <../out.cpio; cat x b d/c"), "one\ntwo\nthree\n");
}

#[test]
fn a_python_module_runs() {
    let scene = Scene::new();
    scene.write("m.py", "def f(a, b=(1, 2, 'x')):\n    return {'k': [a, b]}\n\nclass C:\n    x = 'text' * 3\n\nprint(f(1), C.x)\n");
    scene.run(
        "touch -d @1750000000 m.py; python3 -c 'import py_compile; py_compile.compile(\"m.py\", \"1.pyc\")'",
    );
    // Another process with other references: the code object is held while it is written.
    scene.write(
        "mark.py",
        "import marshal
data = open('1.pyc', 'rb').read(); code = marshal.loads(data[16:])
keep = [code.co_names, code.co_consts, code.co_filename, code.co_consts[0]]
open('2.pyc', 'wb').write(data[:8] + (1760000000).to_bytes(4, 'little') + data[12:16] + marshal.dumps(code))
",
    );
    scene.run("python3 mark.py");
    let one = equal("m.pyc", &scene.read("1.pyc"), &scene.read("2.pyc"));
    scene.write("m.pyc", one);
    assert_eq!(scene.run("rm m.py; python3 m.pyc"), "{'k': [1, (1, 2, 'x')]} texttexttext\n");
}

#[test]
fn a_catalogue_translates() {
    let scene = Scene::new();
    let po = |date: &str| {
        format!(
            "msgid \"\"\nmsgstr \"\"\n\"PO-Revision-Date: {date}\\n\"\n\"Language: de\\n\"\n\"Content-Type: text/plain; charset=UTF-8\\n\"\n\nmsgid \"yes\"\nmsgstr \"ja\"\n"
        )
    };
    scene.write("1.po", po("2025-01-02 03:04+0100")).write("2.po", po("2026-02-03 04:05-0230"));
    scene.run("msgfmt -o 1.mo 1.po; msgfmt -o 2.mo 2.po; msgfmt --endianness=big -o 3.mo 1.po; msgfmt --endianness=big -o 4.mo 2.po");
    equal("x.mo", &scene.read("3.mo"), &scene.read("4.mo"));
    scene.write("out.mo", equal("x.mo", &scene.read("1.mo"), &scene.read("2.mo")));
    assert!(scene.run("msgunfmt out.mo").contains("msgid \"yes\"\nmsgstr \"ja\""));
    assert!(scene.run("msgunfmt out.mo").contains("PO-Revision-Date: 2023-11-14 22:13+0000"));
}

#[test]
fn a_manual_and_its_compressed_form() {
    let scene = Scene::new();
    scene.run("printf '=head1 NAME\\n\\nx - y\\n' >x.pod; pod2man -d 2025-01-02 x.pod >1.1; pod2man -d 2026-02-03 x.pod >2.1");
    let one = equal("x.1", &scene.read("1.1"), &scene.read("2.1"));
    assert!(String::from_utf8(one).unwrap().contains("\"2023-11-14\""));
    scene.run("gzip 1.1 2.1");
    equal("x.1.gz", &scene.read("1.1.gz"), &scene.read("2.1.gz"));
}

#[test]
fn javadoc_pages() {
    let scene = Scene::new();
    scene.write("p/A.java", "package p; /** A. */ public class A { }");
    scene.run("TZ=UTC javadoc -quiet -d 1 p/A.java; TZ=Asia/Tokyo javadoc -quiet -d 2 p/A.java");
    let (first, second) = (scene.read("1/p/A.html"), scene.read("2/p/A.html"));
    let one = String::from_utf8(equal("A.html", &first, &second)).unwrap();
    assert!(
        one.contains("Generated by javadoc") && one.contains("on Tue Nov 14 22:13:20 UTC 2023 -->"),
        "{one}"
    );
}

#[test]
fn a_windows_program() {
    let scene = Scene::new();
    scene.write("m.c", "int answer(void) { return 42; }");
    // binutils link PE too; one second and a year apart, as they put the time into the header.
    scene.run("cc -c -fno-asynchronous-unwind-tables m.c; objcopy -O pe-x86-64 m.o m.obj
               for t in '2025-01-02 03:04:05' '2026-02-03 04:05:06'; do faketime -f \"$t\" ld -m i386pep --shared --insert-timestamp --export-all-symbols -o m.dll m.obj; mv m.dll \"${t%%-*}.dll\"; done");
    let one = equal("m.dll", &scene.read("2025.dll"), &scene.read("2026.dll"));
    scene.write("m.dll", one);
    let headers = scene.run("TZ=UTC objdump -p m.dll");
    assert!(headers.contains("Tue Nov 14 22:13:20 2023"), "{headers}");
}

#[test]
fn a_picture_and_a_document() {
    let scene = Scene::new();
    scene.write("make.py", "import zlib, struct, sys
def chunk(k, d): return struct.pack('>I', len(d)) + k + d + struct.pack('>I', zlib.crc32(k + d))
y = int(sys.argv[1])
open(sys.argv[2], 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 0, 0, 0, 0))
 + chunk(b'tIME', struct.pack('>HBBBBB', y, 2, 3, 4, 5, 6)) + chunk(b'tEXt', b'date:create\\0%d-02-03T04:05:06+00:00' % y)
 + chunk(b'tEXt', b'Title\\x00kept') + chunk(b'IDAT', zlib.compress(b'\\0\\x7f')) + chunk(b'IEND', b''))
");
    scene.run("python3 make.py 2025 1.png; python3 make.py 2026 2.png");
    let one = equal("x.png", &scene.read("1.png"), &scene.read("2.png"));
    assert!(one.windows(4).any(|four| four == b"kept") && one.len() == scene.read("1.png").len());
    let pdf = |year: u32, id: &str| {
        format!(
            "%PDF-1.4\n1 0 obj\n<</CreationDate (D:{year}0102030405+01'00') /ModDate(D:{year}0102030405Z)>>\nendobj\n<xmp:CreateDate>{year}-01-02T03:04:05+01:00</xmp:CreateDate>\ntrailer\n<</ID [<{id}> <{id}>]>>\n%%EOF\n"
        )
    };
    let one = equal("x.pdf", pdf(2025, &"0a".repeat(16)).as_bytes(), pdf(2026, &"f1".repeat(16)).as_bytes());
    let text = String::from_utf8(one).unwrap();
    assert!(text.contains("(D:20231114221320+00'00')") && text.contains("(D:20231114221320Z)"), "{text}");
    assert!(text.contains("2023-11-14T22:13:20+00:00</xmp") && !text.contains("0a0a0a"), "{text}");
}

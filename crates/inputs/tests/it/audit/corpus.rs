//! How much of what does not reproduce is found, and how much is told falsely: over texts as they stand in public
//! repositories, written anew and labelled by hand. A label is `RULE:LINE`; what is not labelled must not be told.

use std::collections::BTreeSet;

use super::{of, rules};

/// A file, its text, what must be found. Files that belong together have one name before `|`.
struct Case {
    path: &'static str,
    text: &'static str,
    labels: &'static [&'static str],
}

const fn case(path: &'static str, text: &'static str, labels: &'static [&'static str]) -> Case {
    Case { path, text, labels }
}

/// A digest as images have it.
macro_rules! at {
    ($before:literal) => {
        concat!($before, "@sha256:7b0b8f3f6a2f9a1d8c4e5b6a7f8091a2b3c4d5e6f708192a3b4c5d6e7f809100")
    };
}

/// A recipe's line that is pinned, so that only what follows it counts.
const BASE: &str = at!("FROM debian:12");

const CASES: &[Case] = &[
    // What images start from.
    case("Dockerfile", "FROM ubuntu\n", &["IMG02:1"]),
    case("Dockerfile", "FROM node:latest AS b\nRUN make\nFROM b\n", &["IMG02:1"]),
    case("Dockerfile", "FROM python:3.12-slim\nRUN make\n", &["IMG01:1"]),
    case("Dockerfile", at!("FROM golang:1.22"), &[]),
    case("Dockerfile", "FROM scratch\nCOPY app /\n", &[]),
    case("Dockerfile", "ARG V=3.19\nFROM alpine:${V}\n", &["IMG01:2"]),
    case("Dockerfile", "ARG BASE\nFROM $BASE\n", &[]),
    case("Dockerfile", "# syntax=docker/dockerfile:1.7\nFROM scratch\n", &["IMG01:1"]),
    case(
        "Dockerfile",
        "FROM scratch\nCOPY --from=busybox:1.36 /bin/sh /\nCOPY --from=assets /x /\n",
        &["IMG01:2"],
    ),
    case(
        "Dockerfile",
        "FROM --platform=$BUILDPLATFORM r.example.org:5000/team/base:2 AS x\nFROM x\n",
        &["IMG01:1"],
    ),
    case(
        "Containerfile",
        "FROM fedora:40 as build\nFROM build as again\nCOPY --from=build /a /\n",
        &["IMG01:1"],
    ),
    case("Dockerfile", "FROM scratch\nRUN --mount=type=bind,from=alpine:3.19,target=/x true\n", &["IMG01:2"]),
    case("Dockerfile", "ARG V\nFROM r.example.org/a/b:${V}\n", &["IMG01:2"]),
    // Packages of the system.
    case(
        "Dockerfile",
        "@\nRUN apt-get update && \\\n    apt-get install -y --no-install-recommends gcc make \\\n && rm -rf /var/lib/apt/lists/*\n",
        &["IMG04:3"],
    ),
    case("Dockerfile", "@\nRUN apt-get update && apt-get install -y gcc=4:12.2.0-3\n", &[]),
    case(
        "Dockerfile",
        "@\nRUN echo 'deb [check-valid-until=no] http://mirror.example.org/archive/debian/20240301T000000Z bookworm main' > /etc/apt/sources.list\nRUN apt-get update && apt-get install -y gcc\n",
        &[],
    ),
    case("Dockerfile", "@\nRUN apt-get -y upgrade\n", &["IMG06:2"]),
    case("Dockerfile", "@\nCOPY x.deb /tmp/\nRUN apt-get install -y /tmp/x.deb\n", &[]),
    case("Dockerfile", "@\nRUN apk add --no-cache --virtual .build gcc musl-dev\n", &["IMG04:2"]),
    case("Dockerfile", "@\nRUN apk add --no-cache curl=8.5.0-r0\n", &[]),
    case("Dockerfile", "@\nRUN dnf -y install gcc && dnf clean all\n", &["IMG04:2"]),
    case("Dockerfile", "@\nRUN yum update -y\n", &["IMG06:2"]),
    case("Dockerfile", "@\nRUN zypper --non-interactive install gcc\n", &["IMG04:2"]),
    case("Dockerfile", "@\nRUN pacman -Syu --noconfirm base-devel\n", &["IMG04:2", "IMG06:2"]),
    case("Dockerfile", "@\nRUN add-apt-repository -y ppa:a/b\n", &["IMG04:2"]),
    case("Dockerfile", "@\nRUN [\"apt-get\", \"install\", \"-y\", \"gcc\"]\n", &["IMG04:2"]),
    case("Dockerfile", "@\nRUN [\"/bin/bash\", \"-c\", \"apt-get install -y gcc\"]\n", &["IMG04:2"]),
    case("Dockerfile", "@\nRUN <<EOF\nset -e\napt-get update\napt-get install -y gcc\nEOF\n", &["IMG04:5"]),
    case("Dockerfile", "@\n# RUN apt-get install -y gcc\nRUN echo 'apt-get install gcc'\n", &[]),
    case("Dockerfile", "# escape=`\n@\nRUN a `\n  && apt-get install -y gcc\n", &["IMG04:4"]),
    case("Dockerfile", "@\nONBUILD RUN apt-get install -y gcc\n", &["IMG04:2"]),
    // Downloads.
    case("Dockerfile", "@\nRUN curl -fsSL https://example.org/setup.sh | bash -\n", &["NET01:2"]),
    case("Dockerfile", "@\nRUN wget -qO- https://example.org/i.sh | sh\n", &["NET01:2"]),
    case("Dockerfile", "@\nRUN bash <(curl -s https://example.org/i.sh)\n", &["NET01:2"]),
    case("Dockerfile", "@\nRUN sh -c \"$(curl -fsSL https://example.org/i.sh)\" -- -y\n", &["NET01:2"]),
    case(
        "Dockerfile",
        "@\nRUN curl -LO https://example.org/t-1.0.tar.gz && tar xf t-1.0.tar.gz\n",
        &["NET02:2"],
    ),
    case("Dockerfile", "@\nRUN curl -sSL https://example.org/t-1.0.tar.gz | tar -xz -C /opt\n", &["NET02:2"]),
    case(
        "Dockerfile",
        "@\nRUN curl -LO https://example.org/t.tgz \\\n && echo \"5f7d  t.tgz\" | sha256sum -c - \\\n && tar xf t.tgz\n",
        &[],
    ),
    case(
        "Dockerfile",
        "@\nRUN wget https://example.org/t.tgz https://example.org/t.tgz.asc && gpg --batch --verify t.tgz.asc t.tgz\n",
        &[],
    ),
    case(
        "Dockerfile",
        "@\nRUN wget -O /bin/tini https://example.org/tini && chmod +x /bin/tini && /bin/tini --version\n",
        &["NET01:2"],
    ),
    case(
        "Dockerfile",
        "@\nRUN curl -fsSL https://example.org/key.asc | gpg --dearmor -o /etc/apt/k.gpg\n",
        &["NET02:2"],
    ),
    case(
        "Dockerfile",
        "@\nRUN curl -O https://example.org/t.tgz && curl -O https://example.org/t.tgz.sha256 && sha256sum -c t.tgz.sha256\n",
        &["NET02:2"],
    ),
    case(
        "Dockerfile",
        "@\nRUN V=$(curl -s https://example.org/releases/latest | grep tag) && make V=$V\n",
        &["NET02:2"],
    ),
    case("Dockerfile", "@\nADD https://example.org/x.tar.gz /x\n", &["IMG03:2"]),
    case(
        "Dockerfile",
        "@\nADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.org/x /x\n",
        &[],
    ),
    case(
        "Dockerfile",
        "@\nRUN curl -sS https://example.org/installer | php -- --install-dir=/usr/local/bin\n",
        &["NET01:2"],
    ),
    case("Dockerfile", "@\nADD rootfs.tar.gz /\n", &[]),
    case("Dockerfile", "@\nRUN git clone https://example.org/a.git && cd a && make\n", &["LOCK08:2"]),
    case("Dockerfile", "@\nRUN git clone --depth 1 -b v1.2 https://example.org/a.git\n", &["LOCK08:2"]),
    case(
        "Dockerfile",
        "@\nARG REV=0123456789abcdef0123456789abcdef01234567\nRUN git clone https://example.org/a.git && git -C a checkout $REV\n",
        &[],
    ),
    case(
        "Dockerfile",
        "@\nHEALTHCHECK CMD curl -f http://localhost/ || exit 1\nRUN curl -f http://localhost:8080/health -o /dev/null\n",
        &[],
    ),
    // Packages of languages.
    case("Dockerfile", "@\nRUN pip install --no-cache-dir flask\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n", &["LOCK14:3"]),
    case("Dockerfile", "@\nRUN pip install --require-hashes -r requirements.txt\n", &[]),
    case("Dockerfile", "@\nRUN python3 -m pip install --upgrade pip\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nRUN pip install --no-index --find-links=/wheels app\n", &[]),
    case("Dockerfile", "@\nRUN npm install\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nRUN npm ci --omit=dev\n", &[]),
    case("Dockerfile", "@\nRUN npm i -g pm2\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nRUN yarn --network-timeout 100000\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nRUN yarn install --frozen-lockfile && yarn build\n", &[]),
    case("Dockerfile", "@\nRUN corepack enable && pnpm install\n", &["LOCK14:2"]),
    case(
        "Dockerfile",
        "@\nRUN cargo install cargo-chef\nRUN cargo build --release\n",
        &["LOCK14:2", "LOCK14:3"],
    ),
    case(
        "Dockerfile",
        "@\nRUN cargo install cargo-chef@0.1.67 --locked && cargo build --locked --release\n",
        &[],
    ),
    case("Dockerfile", "@\nRUN go install example.org/x/cmd/y@latest\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nRUN go install example.org/x/cmd/y@v1.2.3 && go build ./...\n", &[]),
    case("Dockerfile", "@\nRUN gem install bundler\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nRUN conda install -y numpy\n", &["LOCK14:2"]),
    case("Dockerfile", "@\nRUN rustup default nightly\n", &["TOOL01:2"]),
    case("Dockerfile", "@\nRUN rustup toolchain install 1.82.0 nightly-2026-01-31\n", &[]),
    case("Dockerfile", "@\nRUN composer install --no-dev && composer global require a/b\n", &["LOCK14:2"]),
    // What a build leaves in.
    case("Dockerfile", "@\nCOPY . /app\n", &["IMG08:2"]),
    case("Dockerfile", "@\nCOPY src /app/src\n", &[]),
    case("Dockerfile", "@\nRUN useradd -m app\n", &["TIME02:2"]),
    case("Dockerfile", "@\nRUN date > /build-date\n", &["TIME02:2"]),
    case("Dockerfile", "@\nRUN make VERSION=\"$(date +%Y%m%d)\"\n", &["TIME02:2"]),
    case(
        "Dockerfile",
        "@\nRUN make DATE=\"$(date -u -d @$SOURCE_DATE_EPOCH +%Y)\" && echo \"done $(date)\"\n",
        &[],
    ),
    case("Dockerfile", "@\nRUN --mount=type=cache,target=/var/x make\n", &["IMG06:2"]),
    case(
        "Dockerfile",
        "@\nARG NPM_TOKEN\nENV DB_PASSWORD=x1\nENV PASSWORD_FILE=/run/secrets/p\n",
        &["ENV07:2", "ENV07:3"],
    ),
    case("Dockerfile", "@\nRUN gcc -O2 -march=native -o a a.c\n", &["TOOL05:2"]),
    case("Dockerfile", "@\nRUN tar czf /out.tgz dist\n", &["DET06:2"]),
    case("Dockerfile", "@\nRUN tar xzf /in.tgz && tar --sort=name --mtime=@0 --owner=0 -cf o.tar d\n", &[]),
    case(
        "Dockerfile",
        "@\nRUN uuidgen > /etc/id && find . -name '*.o' | xargs ar rcs l.a\n",
        &["DET01:2", "DET02:2"],
    ),
    // Workflows.
    case(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: actions/checkout@v4\n      - run: make\n",
        &["CI01:6"],
    ),
    case(
        ".github/workflows/ci.yml",
        "jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2\n      - uses: ./.github/actions/x\n",
        &["CI06:3"],
    ),
    case(
        ".github/workflows/ci.yml",
        "jobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: a/b@11bd71901bbe5b1630ceea73d27597364c9af683\n",
        &["CI02:5"],
    ),
    case(
        ".github/workflows/ci.yml",
        "jobs:\n  a:\n    uses: o/r/.github/workflows/w.yml@main\n",
        &["CI01:3"],
    ),
    case(
        ".github/workflows/ci.yml",
        "jobs:\n  a:\n    runs-on: [self-hosted, linux]\n    container: node:20\n    services:\n      db:\n        image: \"postgres:16\"\n    steps:\n      - run: npm ci\n",
        &["CI08:4", "CI08:7"],
    ),
    case(
        ".github/workflows/ci.yml",
        "jobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: actions/setup-node@49933ea5288caeca8642d1e84afbd3f7d6820020 # v4.4.0\n        with:\n          node-version: lts/*\n      - run: |\n          npm install\n          npm test\n",
        &["CI04:7", "LOCK14:9"],
    ),
    case(
        ".github/workflows/ci.yml",
        "jobs:\n  a:\n    strategy:\n      matrix: {v: [18, 20]}\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: actions/setup-node@49933ea5288caeca8642d1e84afbd3f7d6820020 # v4.4.0\n        with: {node-version: '${{ matrix.v }}'}\n      - run: pip install tox\n",
        &["CI05:9"],
    ),
    case(
        ".github/workflows/release.yml",
        "on: {push: {tags: ['v*']}}\njobs:\n  a:\n    runs-on: self-hosted\n    steps:\n      - uses: actions/cache@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3\n      - uses: docker/build-push-action@263435318d21b8e681c14492fe198d362a7d2c83 # v6.18.0\n        with:\n          build-args: TOKEN=${{ secrets.TOKEN }}\n",
        &["CI09:4", "CI07:6", "IMG05:7", "ENV07:9"],
    ),
    case(
        ".github/workflows/ci.yml",
        "jobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: curl -sSf https://example.org/i.sh | sh -s -- -y\n      - run: |\n          curl -X POST -d @x https://example.org/hook\n          sudo apt-get update && sudo apt-get install -y jq\n",
        &["NET01:5", "CI05:8"],
    ),
    case(
        "action.yml",
        "runs:\n  using: composite\n  steps:\n    - uses: a/b@v1\n    - run: cargo install just --locked\n      shell: bash\n",
        &["CI01:4", "CI05:5"],
    ),
    case("action.yml", "runs:\n  using: docker\n  image: docker://alpine:3\n", &["CI08:3"]),
    case(
        ".gitlab-ci.yml",
        "image: python:3.12\ninclude:\n  - project: a/b\n    ref: main\n    file: /x.yml\n  - local: /y.yml\nt:\n  script:\n    - pip install tox\n    - curl -O https://example.org/x.tgz\n    - echo 'aa  x.tgz' | sha256sum -c\n",
        &["CI08:1", "CI10:3", "CI05:9"],
    ),
    case(
        ".circleci/config.yml",
        "orbs:\n  node: circleci/node@volatile\njobs:\n  b:\n    docker:\n      - image: cimg/node:20.1\n    steps:\n      - run: npm install\n",
        &["CI10:2", "CI08:6", "LOCK14:8"],
    ),
    // What deploys.
    case(
        "docker-compose.yml",
        "services:\n  db:\n    image: postgres:16\n  app:\n    build: .\n    image: app:dev\n  x:\n    image: redis\n",
        &["IMG01:3", "IMG02:8"],
    ),
    case(
        "k8s/d.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      initContainers:\n        - image: busybox\n      containers:\n        - name: a\n          image: r.example.org/a:1\n---\napiVersion: v1\nkind: ConfigMap\ndata: {image: 'x:1'}\n",
        &["IMG02:7", "IMG01:10"],
    ),
    case(
        "chart/values.yaml",
        "image:\n  repository: nginx\n  tag: \"1.27\"\nsidecar:\n  image:\n    repository: a/b\n    tag: x\n    digest: sha256:aa\n",
        &["IMG01:3"],
    ),
    case(
        ".devcontainer/devcontainer.json",
        "// c\n{\n  \"image\": \"mcr.example.org/dev:1\",\n  \"features\": { \"r.example.org/f/node:1\": {} },\n}\n",
        &["IMG01:3", "TOOL10:4"],
    ),
    // Scripts and build files.
    case(
        "build.sh",
        "#!/bin/sh\nset -e\nstart=$(date +%s)\ncurl -fsSL https://example.org/t.tgz -o t.tgz\ntar xf t.tgz\necho \"took $(( $(date +%s) - start ))\"\n",
        &["NET02:4"],
    ),
    case(
        "build.sh",
        "#!/bin/bash\nif ! command -v jq; then\n  sudo apt-get install -y jq\nfi\ncat <<'EOF'\ncurl https://example.org | sh\nEOF\n",
        &["TOOL02:3"],
    ),
    case(
        "Makefile",
        "DATE := $(shell date +%F)\nCC ?= cc\nall:\n\t@$(CC) -DV=\\\"$(shell git describe --tags)\\\" a.c\n\t$(CC) $(CFLAGS) -o a a.o\nget:\n\tcurl -LO https://example.org/x.tgz\n",
        &["TIME02:1", "ENV04:4", "NET02:7"],
    ),
    case("Makefile", "all:\n\tcc -o a a.c\n# date: $(shell date)\nclean:\n\trm -f a\n", &[]),
    case(
        "CMakeLists.txt",
        "include(FetchContent)\nFetchContent_Declare(a URL https://example.org/a.tgz)\nFetchContent_Declare(b GIT_REPOSITORY https://example.org/b.git\n  GIT_TAG v1.0)\nFetchContent_Declare(c URL https://example.org/c.tgz URL_HASH SHA256=aa)\n",
        &["TOOL08:2", "TOOL08:4"],
    ),
    case(
        "WORKSPACE",
        "http_archive(name = \"a\", urls = [\"https://example.org/a\"])\nhttp_archive(name = \"b\", sha256 = \"aa\", urls = [\"https://example.org/b\"])\n",
        &["TOOL08:1"],
    ),
    case("subprojects/a.wrap", "[wrap-git]\nurl = https://example.org/a.git\nrevision = v1\n", &["TOOL08:3"]),
    case(
        "src/a.c",
        "/* __DATE__ */\nconst char *s = \"__TIME__\";\nconst char *d = __DATE__;\n",
        &["TIME01:3"],
    ),
    case("configure.ac", "AC_INIT([a],[1])\nAC_DEFINE([Y],[m4_esyscmd([date +%Y])])\n", &["TIME02:2"]),
    case("build.rs", "fn main() {\n    let t = std::time::SystemTime::now();\n}\n", &["TIME02:2"]),
    // Manifests.
    case(
        "package.json",
        "{\n  \"scripts\": { \"postinstall\": \"playwright install\" },\n  \"dependencies\": { \"a\": \"^1.0.0\" }\n}\n",
        &["LOCK01:1", "NET05:2"],
    ),
    case("requirements.txt", "flask\nrequests==2.32.0\n", &["LOCK14:1"]),
    case(
        "requirements.txt",
        "--index-url https://example.org/simple\nflask==3.0.0 \\\n    --hash=sha256:aa\n",
        &[],
    ),
    case(
        "requirements.txt",
        "git+https://example.org/a.git@main#egg=a\n--extra-index-url https://example.org/simple\n",
        &["LOCK08:1", "LOCK18:2"],
    ),
    case(
        "pyproject.toml",
        "[build-system]\nrequires = [\"setuptools>=61\", \"wheel==0.45.0\"]\n[project]\nname = \"a\"\ndependencies = [\"b>=1\"]\n",
        &["LOCK12:2", "LOCK01:5"],
    ),
    case("go.mod", "module a\n\ngo 1.22\n\nrequire example.org/b v1.0.0\n", &["TOOL01:3", "LOCK01:5"]),
    case(
        "Cargo.toml",
        "[package]\nname = \"a\"\n[dependencies]\nb = { git = \"https://example.org/b\", branch = \"main\" }\n",
        &["LOCK01:1", "LOCK08:4"],
    ),
    case("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n", &["TOOL01:2"]),
    case(".nvmrc", "lts/iron\n", &["TOOL01:1"]),
    case(".python-version", "3.12.4\n", &[]),
    case(
        "gradle/wrapper/gradle-wrapper.properties",
        "distributionUrl=https\\://example.org/g-8.zip\n",
        &["LOCK15:1"],
    ),
    case(
        "build.gradle",
        "dependencies {\n  implementation 'a.b:c:1.+'\n  implementation \"d.e:f:2.0\"\n}\n",
        &["LOCK14:2"],
    ),
    case(
        "pom.xml",
        "<project><properties><project.build.outputTimestamp>1</project.build.outputTimestamp></properties>\n<dependencies><dependency><artifactId>a</artifactId>\n<version>1.0-SNAPSHOT</version></dependency></dependencies></project>\n",
        &["LOCK14:3"],
    ),
    case(
        ".pre-commit-config.yaml",
        "repos:\n  - repo: https://example.org/a\n    rev: v1.0\n  - repo: local\n    hooks: []\n",
        &["TOOL07:3"],
    ),
    case(".gitignore", "target/\nCargo.lock\n", &["LOCK03:2"]),
    case(
        "package-lock.json",
        "{\"lockfileVersion\": 3, \"packages\": {\"\": {\"name\": \"a\"}, \"node_modules/b\":\n {\"version\": \"1.0.0\", \"resolved\": \"https://example.org/b.tgz\"}}}\n",
        &["LOCK06:1"],
    ),
    case("tests/fixtures/Dockerfile", "FROM ubuntu\nRUN curl https://example.org | sh\n", &[]),
    case("Dockerfile", "# selfsame: allow IMG02 the mirror has one image only\nFROM ubuntu\n", &[]),
    // What is released, and what an SBOM could tell of it.
    case(
        ".github/workflows/publish.yml",
        "on: workflow_dispatch\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n    # twine upload was here\n    - run: |\n        python3 -m build\n        twine upload dist/*\n",
        &["SBOM01:9"],
    ),
    case(
        ".github/workflows/ship.yml",
        "on: workflow_dispatch\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n    - run: syft . -o spdx-json > sbom.json\n    - run: gh release create v1 sbom.json app\n",
        &[],
    ),
    case(
        ".github/workflows/test.yml",
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n    - run: npm publish --dry-run # gh release create\n",
        &[],
    ),
    case(
        ".gitlab-ci.yml",
        "publish:\n  image: debian:12@sha256:7b0b8f3f6a2f9a1d8c4e5b6a7f8091a2b3c4d5e6f708192a3b4c5d6e7f809100\n  script:\n  - cargo publish --locked\n",
        &["SBOM01:4"],
    ),
    case(
        ".github/workflows/image.yml",
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n    - run: docker push r.example.org/a:$V # CycloneDX is attached by the registry\n",
        &[],
    ),
    case(
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"openssl-src\"\nversion = \"300.3.1+3.3.1\"\nsource = \"registry+https://example.org/i\"\nchecksum = \"aa\"\n\n[[package]]\nname = \"openssl-sys\"\nversion = \"0.9.103\"\nsource = \"registry+https://example.org/i\"\nchecksum = \"aa\"\n\n[[package]]\nname = \"zstd-sys\"\nversion = \"2.0.13+zstd.1.5.6\"\nsource = \"registry+https://example.org/i\"\nchecksum = \"aa\"\n",
        &["SBOM05:4", "SBOM05:16"],
    ),
    case(
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"libz-sys\"\nversion = \"1.1.18\"\nsource = \"registry+https://example.org/i\"\nchecksum = \"aa\"\ndependencies = [\n \"openssl-src\",\n]\n",
        &[],
    ),
    case(
        "selfsame.lock",
        "selfsame-lock = 1\n\n[toolchain]\nkind = \"debian\"\nsuite = \"bookworm\"\ncomponents = [\"main\"]\narch = \"amd64\"\nrequested = []\nsigned-by = []\nassembler = 2\ntree = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0\"\npackage = []\n\n[step.\"build\"]\nuses = [\"npm\"]\nrecord = []\nrequests = []\npackages = [\n    \"pkg:golang/example.org/m@v1.0.0\",\n    \"pkg:npm/a@1.0.0 licence=MIT\",\n    \"pkg:npm/b@1.0.0\",\n]\n",
        &["SBOM02:14"],
    ),
    case(
        "selfsame.lock",
        "selfsame-lock = 1\n\n[toolchain]\nkind = \"debian\"\nsuite = \"bookworm\"\ncomponents = [\"main\"]\narch = \"amd64\"\nrequested = []\nsigned-by = []\nassembler = 2\ntree = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0\"\npackage = []\n",
        &[],
    ),
];

#[test]
fn most_is_found_and_little_is_told_falsely() {
    let (mut found, mut wanted, mut told, mut wrong) = (0, 0, 0, Vec::new());
    for case in CASES {
        let text = case.text.replace("@\n", &format!("{BASE}\n"));
        let report = of(&[(case.path, &text)]);
        let said: BTreeSet<String> = rules(&report).into_iter().collect();
        let labels: BTreeSet<String> = case.labels.iter().map(|l| (*l).to_owned()).collect();
        wanted += labels.len();
        told += said.len();
        found += said.intersection(&labels).count();
        if said != labels {
            wrong.push(format!("{}: {text:?}\n  expected {labels:?}\n  found    {said:?}", case.path));
        }
    }
    let recall = found * 100 / wanted;
    let falsely = (told - found) * 100 / told;
    println!(
        "{} files, {wanted} labels: found {found} ({recall} %), told falsely {} ({falsely} %)",
        CASES.len(),
        told - found
    );
    println!("{}", wrong.join("\n"));
    assert!(CASES.len() >= 130);
    assert!(recall >= 95, "recall {recall} %\n{}", wrong.join("\n"));
    assert!(falsely < 5, "told falsely {falsely} %\n{}", wrong.join("\n"));
}

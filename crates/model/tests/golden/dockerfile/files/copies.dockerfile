FROM debian
ENV d=/data f="a file" o=5
WORKDIR /w
COPY a b c dir/
COPY a .
COPY a ./
COPY a ..
COPY ./a/../b //x//y
COPY --link --chown=${o}:7 a $d/
COPY --chown=$d:g a $d/
COPY --chmod=755 --chown=1000 [ "with space", "x y/" ]
COPY *.go /go/
COPY [^a]*? /s/
COPY --exclude=*.md --exclude=!x . /e/
COPY --parents a/b/*.c ./x/./y/z /p/
COPY --link=false --from=alpine /etc/passwd /etc/
COPY $f "$d" /q/
COPY a\ b /r/
ADD a.tar.gz /
ADD --unpack=false a.tar.gz /n
ADD --chmod=u+x,go-w a /m/
ADD https://example.org/dir/file.txt?x=1 /u/
ADD --checksum=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --unpack=true https://example.org/f.tgz /u2
ADD https://example.org/ /u3/
ADD --keep-git-dir=true https://example.org/r.git#main:sub /git
ADD git@example.org:a/b.git#v1 /git2

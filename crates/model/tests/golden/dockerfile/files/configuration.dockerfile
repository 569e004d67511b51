FROM debian
MAINTAINER A Person <a@example.org>
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN a | b
CMD one two
ENTRYPOINT exec three
CMD ["four", "\u0035", "s/x"]
HEALTHCHECK --interval=1m30s --timeout=3s --start-period=5s --start-interval=1s --retries=3 CMD curl -f x || exit 1
HEALTHCHECK CMD ["a", "b"]
HEALTHCHECK NONE
HEALTHCHECK --interval=0 --retries=0 CMD x
VOLUME ["/a", "/b c"]
VOLUME /d /e
EXPOSE 80 443/TCP 53/udp 7000-7002 127.0.0.1:8080:81
STOPSIGNAL SIGINT
STOPSIGNAL RTMIN+3
USER nobody
WORKDIR /x/../y/./z
WORKDIR sub
LABEL a=b
LABEL a=c d="e f" g='h $i'
LABEL old form
ONBUILD RUN echo x
ONBUILD   ADD . /src
onbuild env a=b

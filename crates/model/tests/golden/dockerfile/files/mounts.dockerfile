FROM alpine AS tools
RUN touch /t
FROM debian
ARG where=/cache
WORKDIR /w
RUN --mount=target=.,rw ls
RUN --mount=type=bind,source=/src,target=/src --mount=type=bind,from=tools,src=/t,dst=/t,ro=false cmd
RUN --mount=type=cache,target=$where,id=npm-$where,sharing=locked --mount=type=cache,destination=rel cmd
RUN --mount=type=cache,target=/c,uid=10,gid=20,mode=0700 cmd
RUN --mount=type=cache,target=/c,from=tools,source=/t,ro cmd
RUN --mount=type=tmpfs,target=/tmp,size=64m --mount=type=tmpfs,dst=/t2 cmd
RUN --mount=type=secret,id=key,required --mount=type=secret,id=k2,target=/k,mode=0440,uid=1 cmd
RUN --mount=type=secret,target=/run/x/name --mount=type=secret,id=tok,env=TOKEN cmd
RUN --mount=type=secret,source=f cmd
RUN --mount=type=ssh cmd
RUN --mount=type=ssh,id=git,required=true,mode=0666 cmd
RUN --mount=from=golang:1.22,source=/usr/local/go,target=/go cmd
RUN "--mount=type=bind,target=/q" cmd
RUN --network=none --security=sandbox cmd
RUN --network=host cmd
RUN --mount=TYPE=Bind,Target=/up cmd

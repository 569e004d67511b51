ARG G=global
ARG ONLY
FROM debian AS a
RUN a1
ARG G
ARG S=stage
ENV E=$S
RUN a2
FROM a AS b
ARG S=other
RUN b1
ENV S=env
ARG S=again
RUN b2
FROM alpine
ARG G=${G:-x}
RUN c1 $G
COPY --from=b /x /y

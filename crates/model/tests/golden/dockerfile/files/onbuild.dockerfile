FROM debian AS base
ONBUILD ARG X=1
ONBUILD RUN echo $X
ONBUILD COPY --from=other /a /b
ONBUILD WORKDIR /o
FROM alpine AS other
RUN make
FROM base
RUN last

# syntax=docker/dockerfile:1.7
# escape=`
# check=skip=JSONArgsRecommended

# escape=\
FROM debian
ENV A=c:\x B=`$C D="a`"b"
RUN echo a `
    b \
COPY a` b /x
LABEL a="1 2" `
  b=3

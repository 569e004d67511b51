FROM debian
# note
RUN a \
  b

RUN <<EOF
x
EOF
ENV a="b" \
  c=d
COPY <<f /f
text
f

ARG BASE=debian
ARG TAG=${BASE}-12
ARG FULL="${BASE}:${TAG#*-}"
FROM $FULL
ENV path=/a/b/c.tar.gz empty= name=value
ENV p1=${path#*/} p2=${path##*/} p3=${path%.*} p4=${path%%.*} p5=${path/b/B} p6=${path//[a-c]/x} p7=${path//\//-}
ENV d1=${nope:-d} d2=${empty:-d} d3=${empty-d} d4=${nope-d} a1=${name:+a} a2=${empty:+a} a3=${empty+a} a4=${nope+a}
ENV q1='$name' q2="$name" q3=\$name q4="\$name" q5="it's" q6='"' q7=a\ b q8=${nope:-"a b"}
ENV n1=${nope:-${empty:-${name}}} n2=${nope:-a}b n3=$name$name n4=$nope n5=${name}s n6=$
ENV old style  with  spaces and $name
ENV one=1 two=$one three=$one$two
ENV two=$one
ARG late=$two
ARG name
ARG FULL
ARG TAG=own
LABEL "key $one"="value \
continued" plain=x
WORKDIR ${path%/*}
WORKDIR rel/$name
USER $name:${empty:-grp}
VOLUME /v/$name $name/x
EXPOSE $one-3 ${one}000/udp
STOPSIGNAL SIG${nope:-TERM}
RUN echo ${name} $nope
CMD echo $name

FROM "debian:12" AS q
ENV a="b c"d'e f' g=\"h\" i='j\' k="l\\m" n="o\n"
ENV "quoted key"=x
ENV x="a
LABEL t="x \" y" u=''
ARG v="w x" y=z\ z
ENV z=$v$y

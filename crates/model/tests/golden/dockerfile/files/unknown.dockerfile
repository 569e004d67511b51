FROM debian
RUNN x

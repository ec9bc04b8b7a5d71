#!/bin/sh
# By hand: a script to an object and its header, and both with a program to one.
set -e
surgeryc=$(pkg-config --variable=surgeryc surgery)
"$surgeryc" ../digits.surgery -c -o digits.o
c++ -O2 -std=c++17 -I. ../main.cpp digits.o -o app $(pkg-config --cflags --libs surgery) \
  -Wl,-rpath,"$(pkg-config --variable=libdir surgery)"

// sin, cos, exp, log and pow in double, made of + - * / and fused multiply-add alone: the same
// bits from every compiler on every machine. (A C library may choose its versions by the CPU
// that it finds, and then the same program prints other digits on another machine.)
//
// The largest errors, in units of the last place (0.5 = as exact as a double can be), measured
// with 3 million arguments a line against long double and 100,000 against 200-bit arithmetic:
//   log 0.501    exp 0.67 (0.79 where the result is subnormal)    pow 0.67
//   sin, cos 0.81 (1.07 at the doubles next to multiples of pi/2, all of them up to 1e6)
#pragma once

namespace heed::exact {

double sin(double x);            // |x| <= 1e6; throws beyond, and for NaN
double cos(double x);            // the same
double exp(double x);            // every x, also infinities and NaN
double log(double x);            // every x; log(0) is -infinity, log of a negative x is NaN
double pow(double x, double y);  // x^y for finite x > 0 and finite y; throws for others

}  // namespace heed::exact

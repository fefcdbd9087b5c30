// sin, cos, exp, log and pow in double, from + - * / and fused multiply-add alone: the same
// bits from every compiler on every machine. (A C library may choose its versions by the CPU
// that it finds, and then the same program prints other digits on another machine.)
//
// Errors in units of the last place (ulp), measured against 200-bit arithmetic: see each line.
#pragma once

namespace heed::exact {

double sin(double x);            // |x| <= 1e6, throws beyond and for NaN
double cos(double x);            // the same
double exp(double x);            // every double
double log(double x);            // every double; log(0) = -inf, NaN below 0
double pow(double x, double y);  // x^y for x > 0, throws for other x

}  // namespace heed::exact

// The table of operations: elementwise.cpp.
#pragma once
#include "tests/op_row.h"

namespace heed_tests {

// The golden cases that all four arithmetic operations have, and more ways to broadcast: sizes
// differ pairwise, so a gradient that was summed over the wrong axis has another shape.
inline OpRow arithmetic(const char* declaration, const std::string& op, Call call) {
  OpRow row(declaration);
  row.golden(cases(op, {"same", "row", "column", "left", "both", "zero_dim"}), call);
  const std::vector<std::vector<Shape>> broadcasts = {{{}, {}},
                                                      {{}, {2, 3}},
                                                      {{1}, {}},
                                                      {{1}, {1, 1}},
                                                      {{1, 3}, {2, 1}},
                                                      {{2, 3, 1}, {1, 5}},
                                                      {{1, 1, 4}, {2, 3, 1}},
                                                      {{2, 1, 3, 1}, {4, 1, 5}}};
  for (const auto& shapes : broadcasts) row.form(shapes, call);
  return row;
}

inline OpRows arithmetic_rows() {
  return {
      arithmetic("operator+(Tensor, Tensor)", "add", CALL(a[0] + a[1]))
          .golden({"add.views"}, CALL(a[0].transpose(0, 1) + a[1].transpose(0, 1)))
          .golden({"add.itself"}, CALL(a[0] + a[0])),
      arithmetic("operator-(Tensor, Tensor)", "sub", CALL(a[0] - a[1]))
          .golden({"sub.views"}, CALL(a[0].transpose(0, 1) - a[1].transpose(0, 1)))
          .form({{3, 2}}, CALL(a[0] - a[0])),
      arithmetic("operator*(Tensor, Tensor)", "mul", CALL(a[0] * a[1]))
          .golden({"mul.views"}, CALL(a[0].transpose(0, 1) * a[1].transpose(0, 1)))
          .golden({"mul.itself"}, CALL(a[0] * a[0]))
          .form({{3, 3}}, CALL(a[0] * a[0].select(0, 1))),
      arithmetic("operator/(Tensor, Tensor)", "div", CALL(a[0] / a[1]))
          .golden({"div.views"}, CALL(a[0].transpose(0, 1) / a[1].transpose(0, 1)))
          .form({{3, 2}}, CALL(a[0] / a[0])),
      OpRow("operator+(Tensor, double)").golden({"add.number"}, CALL(a[0] + 1.75)),
      OpRow("operator-(Tensor, double)").golden({"sub.number"}, CALL(a[0] - 1.75)),
      OpRow("operator*(Tensor, double)").golden({"mul.number"}, CALL(a[0] * 1.75)),
      OpRow("operator/(Tensor, double)").golden({"div.number"}, CALL(a[0] / 1.75)),
      OpRow("operator+(double, Tensor)").golden({"add.number_left"}, CALL(1.75 + a[0])),
      OpRow("operator-(double, Tensor)").golden({"sub.number_left"}, CALL(1.75 - a[0])),
      OpRow("operator*(double, Tensor)").golden({"mul.number_left"}, CALL(1.75 * a[0])),
      OpRow("operator/(double, Tensor)").golden({"div.number_left"}, CALL(1.75 / a[0])),
      OpRow("operator-(Tensor)").golden({"neg"}, CALL(-a[0])).form({{}}, CALL(-a[0])),
      OpRow("operator==(Tensor, double)").golden({"eq.number"}, CALL(a[0] == 1)).constant(),
      OpRow("operator<(Tensor, double)").golden({"lt.number"}, CALL(a[0] < 1)).constant(),
      OpRow("operator>(Tensor, double)").golden({"gt.number"}, CALL(a[0] > 1)).constant(),
  };
}

inline OpRows function_rows() {
  return {
      OpRow("pow(Tensor, double)")
          .golden({"pow.0"}, CALL(pow(a[0], 0)))
          .golden({"pow.1"}, CALL(pow(a[0], 1)))
          .golden({"pow.2"}, CALL(pow(a[0], 2)))
          .golden({"pow.3"}, CALL(pow(a[0], 3)))
          .golden({"pow.-1"}, CALL(pow(a[0], -1)))
          .golden({"pow.-2"}, CALL(pow(a[0], -2)))
          .golden({"pow.0.5"}, CALL(pow(a[0], 0.5)))
          .golden({"pow.2.5"}, CALL(pow(a[0], 2.5)))
          .golden({"pow.-1.5"}, CALL(pow(a[0], -1.5)))
          .form({{2, 3}}, CALL(pow(a[0].transpose(0, 1), 3))),
      OpRow("exp(Tensor)")
          .golden({"exp", "exp.wide"}, CALL(exp(a[0])))
          .golden({"exp.view"}, CALL(exp(a[0].transpose(0, 1)))),
      OpRow("log(Tensor)")
          .golden({"log"}, CALL(log(a[0])))
          .kink({"log.wide"},
                CALL(log(a[0])))  // numbers smaller than a step of the differences
          .form({{2, 3}}, CALL(log(pow(a[0].transpose(0, 1), 2)))),
      OpRow("sqrt(Tensor)").golden({"sqrt"}, CALL(sqrt(a[0]))),
      OpRow("tanh(Tensor)")
          .golden({"tanh", "tanh.wide"}, CALL(tanh(a[0])))
          .form({{2, 3}}, CALL(tanh(a[0].transpose(0, 1)))),
      OpRow("sigmoid(Tensor)")
          .golden({"sigmoid", "sigmoid.wide"}, CALL(sigmoid(a[0])))
          .form({{2, 3}}, CALL(sigmoid(a[0].transpose(0, 1)))),
      OpRow("relu(Tensor)")
          .golden({"relu"}, CALL(relu(a[0])))
          .kink({"relu.zero"}, CALL(relu(a[0])))
          .form({{2, 3}}, CALL(relu(a[0].transpose(0, 1)))),
      OpRow("clamp(Tensor, double, double)")
          .golden({"clamp"}, CALL(clamp(a[0], -0.5, 1)))
          .kink({"clamp.bounds"}, CALL(clamp(a[0], -0.5, 1)))
          .form({{2, 3}}, CALL(clamp(a[0].transpose(0, 1), -0.75, 1))),
      OpRow("where(Tensor, Tensor, Tensor)")
          .golden({"where.same", "where.broadcast"}, CALL(where(a[0], a[1], a[2])))
          .form({{2, 3, 1}, {4}}, CALL(where(a[0] > 0, a[0], a[1])))
          .form({{2, 3}, {}}, CALL(where(a[0].unsqueeze(0) > 0, a[1], a[0])))
          .form({{3}, {3}}, CALL(where(tensor({1, 0}, {2, 1}), a[0], a[1]))),
      OpRow("masked_fill(Tensor, Tensor, double)")
          .golden({"masked_fill.same", "masked_fill.broadcast"},
                  CALL(masked_fill(a[0], a[1], -2.5)))
          .form({{3, 2}}, CALL(masked_fill(a[0].transpose(0, 1), tensor({0, 1, 0}), 7))),
  };
}

}  // namespace heed_tests

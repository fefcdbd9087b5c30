// The table of layers: one row or more for every class in layers/*.h that derives from Module.
// test_layers.cpp puts each row through the same tests, and fails when a class has no row.
#pragma once
#include <functional>
#include <map>
#include <string>
#include "autograd/ops.h"
#include "layers/activation.h"
#include "layers/batch_norm.h"
#include "layers/linear.h"
#include "layers/sequential.h"

namespace heed_tests {

template <class L> struct Row {
  std::string name;  // of the case in golden/layers.safetensors; the class is before the '.'
  std::function<L()> make;  // the layer, with weights of its own choice
  // Parameters whose gradient is zero, each with the reason.
  std::map<std::string, std::string> zero_gradient = {};
};

template <class Visit> void for_each_layer(Visit visit) {
  using namespace heed;
  visit(Row<Linear>{"Linear", [] { return Linear(5, 3); }});
  visit(Row<Linear>{"Linear.no_bias", [] { return Linear(5, 3, false); }});
  visit(Row<BatchNorm>{"BatchNorm", [] { return BatchNorm(3); }});
  visit(Row<BatchNorm>{"BatchNorm.4d", [] { return BatchNorm(3); }});
  visit(Row<BatchNorm>{"BatchNorm.options", [] { return BatchNorm(3, 0.01, 0.3); }});
  visit(Row<ReLU>{"ReLU", [] { return ReLU(); }});
  visit(Row<Tanh>{"Tanh", [] { return Tanh(); }});
  visit(Row<Sigmoid>{"Sigmoid", [] { return Sigmoid(); }});
  visit(Row<Sequential>{"Sequential", [] {
    return Sequential(Linear(4, 6), ReLU(), BatchNorm(6), Linear(6, 3));
  }});
  visit(
      Row<Sequential>{"Sequential.bias_before_norm",
                      [] { return Sequential(Linear(4, 6), BatchNorm(6), Tanh()); },
                      {{"0.bias", "BatchNorm takes each channel's mean away, bias and all"}}});
}

}  // namespace heed_tests

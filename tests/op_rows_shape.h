// The table of operations: shape.cpp.
#pragma once
#include "tests/op_row.h"

namespace heed_tests {

inline OpRows view_rows() {
  return {
      OpRow("Tensor::view(Shape)")
          .golden({"view"}, CALL(a[0].view({2, 6, 5})))
          .golden({"view.infer"}, CALL(a[0].view({-1, 10})))
          .form({{}}, CALL(a[0].view({1, -1, 1})))
          .form({{5, 4}}, CALL(a[0].narrow(0, 1, 3).view({2, 6}))),
      OpRow("Tensor::reshape(Shape)")
          .golden({"reshape"}, CALL(a[0].transpose(0, 1).reshape({5, 12})))
          .form({{2, 3, 4}},
                CALL(a[0].reshape({-1, 6}) * a[0].permute({1, 0, 2}).reshape({-1, 6}))),
      OpRow("Tensor::transpose(int, int)")
          .golden({"transpose"}, CALL(a[0].transpose(0, 2)))
          .golden({"transpose.back"}, CALL(a[0].transpose(-1, -2)))
          .form({{3, 2}}, CALL(a[0].transpose(1, 1))),
      OpRow("Tensor::permute(initializer_list<int>)")
          .golden({"permute"}, CALL(a[0].permute({2, 0, 1})))
          .form({{2, 3, 4, 5}}, CALL(a[0].permute({-2, 0, -1, 1}))),
      OpRow("Tensor::expand(Shape)")
          .golden({"expand"}, CALL(a[0].expand({4, 3, 5})))
          .golden({"expand.keep"}, CALL(a[0].expand({-1, 3, -1})))
          .form({{}}, CALL(a[0].expand({2, 3})))
          .form({{3, 2}}, CALL(a[0].expand({3, 2}))),
      OpRow("Tensor::narrow(int, int64_t, int64_t)")
          .golden({"narrow.dim0"}, CALL(a[0].narrow(0, 1, 2)))
          .golden({"narrow.dim2"}, CALL(a[0].narrow(2, 1, 3)))
          .form({{4, 3}}, CALL(a[0].narrow(0, 0, 3) * a[0].narrow(0, 1, 3)))
          .form({{4, 3}}, CALL(a[0].transpose(0, 1).narrow(-1, 3, 1))),
      OpRow("Tensor::select(int, int64_t)")
          .golden({"select.dim0"}, CALL(a[0].select(0, 2)))
          .golden({"select.dim1"}, CALL(a[0].select(1, -1)))
          .form({{3}}, CALL(a[0].select(0, -3) * a[0].select(-1, 2))),
      OpRow("Tensor::squeeze(int)")
          .golden({"squeeze"}, CALL(a[0].squeeze(1)))
          .form({{3, 1}, {1}}, CALL(a[0].squeeze(-1) * a[1].squeeze(0)))
          .form({{3, 2}}, CALL(a[0].squeeze(0) * 2)),
      OpRow("Tensor::unsqueeze(int)")
          .golden({"unsqueeze.dim0"}, CALL(a[0].unsqueeze(0)))
          .golden({"unsqueeze.back"}, CALL(a[0].unsqueeze(-1)))
          .form({{}}, CALL(a[0].unsqueeze(0)))
          .form({{3, 2}}, CALL(a[0].transpose(0, 1).unsqueeze(1))),
      OpRow("Tensor::contiguous()")
          .golden({"contiguous"}, CALL(a[0].transpose(0, 2).contiguous()))
          .form({{3, 2}}, CALL(a[0].contiguous() * 2)),
      OpRow("Tensor::clone()")
          .form({{3, 2}, {4}}, CALL(a[0].transpose(0, 1).clone().unsqueeze(2) * a[1].clone())),
      OpRow("Tensor::detach()").form({{3, 2}}, CALL(a[0].detach())).constant(),
  };
}

inline OpRows joining_rows() {
  return {
      OpRow("cat(span<Tensor>, int)")
          .golden({"cat.dim0"}, CALL(cat(std::span<const Tensor>(a.in), 0)))
          .form({{2, 3, 4}, {2, 1, 4}, {2, 5, 4}},
                CALL(cat(std::span<const Tensor>(a.in), -2))),
      OpRow("cat(initializer_list<Tensor>, int)")
          .golden({"cat.dim1"}, CALL(cat({a[0], a[1]}, 1)))
          .golden({"cat.back"}, CALL(cat({a[0], a[1].transpose(0, 1)}, -1)))
          .golden({"cat.itself"}, CALL(cat({a[0], a[0]}, 0)))
          .form({{2, 3}}, CALL(cat({a[0], ones({2, 1}), a[0] * a[0]}, 1))),
      OpRow("stack(span<Tensor>, int)")
          .golden({"stack.dim0"}, CALL(stack(std::span<const Tensor>(a.in), 0)))
          .golden({"stack.back"}, CALL(stack(std::span<const Tensor>(a.in), -1))),
      OpRow("stack(initializer_list<Tensor>, int)")
          .golden({"stack.dim1"}, CALL(stack({a[0], a[1], a[2]}, 1)))
          .form({{}, {}}, CALL(stack({a[0], a[1], a[0]}, 0)))
          .form({{3, 2}, {2, 3}}, CALL(stack({a[0].transpose(0, 1), ones({2, 3}), a[1]}, -2))),
      OpRow("index_select(Tensor, span<int>)")
          .golden(cases("index_select", {"repeated", "dims3"}), CALL(index_select(a[0], a.ids)))
          .golden({"index_select"}, CALL(index_select(a[0], a.ids)))
          .golden({"index_select.view"}, CALL(index_select(a[0].transpose(0, 1), a.ids)))
          .form({{3}}, CALL(index_select(a[0], std::vector<int>{2, 0, 2, 2}))),
      OpRow("embedding(span<int>, Tensor, int)")
          .golden(cases("embedding", {"rows", "repeated"}), CALL(embedding(a.ids, a[0])))
          .golden({"embedding.view"}, CALL(embedding(a.ids, a[0].transpose(0, 1))))
          .kink({"embedding.padding"},  // the padding row counts, yet has a gradient of 0
                CALL(embedding(a.ids, a[0], 4)))
          .form({{4, 3}}, CALL(embedding(std::vector<int>{3, 3, 0}, a[0] * a[0], 1))),
  };
}

}  // namespace heed_tests

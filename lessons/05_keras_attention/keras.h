// The front of this lesson: Model with its layers, and the attention layer.
//
//   Model model(Input({10, 10}), KerasAttention("bahdanau"));
//   model.compile({.optimizer = "adam", .loss = "mean_squared_error"});
//   History history = model.fit(x_train, y_train, {.epochs = 10, .batch_size = 32});
#pragma once
#include "attention.h"
#include "build.h"
#include "model.h"
#include "saving.h"
#include "training.h"

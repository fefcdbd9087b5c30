// Question: how can a network that reads one thing write another, and know where to look?
// Command:  make lesson-04            (ARGS="--dates 3" and more, see --help)
// Seconds:  about 5
// Expected: at least 99 of 100 unseen dates written right, each digit with its weights on the
//           characters that it comes from.
#include "errata.h"
#include "lessons/support/line_chart.h"
#include "lessons/support/weights.h"
#include "padding.h"
#include "several_dates.h"
#include "translation.h"

using namespace heed;
using namespace lesson_04;

// ---- The dates

static void show_task() {
  say("The task: dates as people write them, to ISO 8601; a few of those to train on");
  Generator random(0);
  for (int i = 0; i < 6; ++i) {
    DateLine line = draw_date_line(random, Days::training);
    say("    %-28s %s", line.source.c_str(), line.target.c_str());
  }
  say();
}

// One model a seed; the first is kept.
static Outcome train_all(const Settings& settings, Checks& checks) {
  std::vector<std::vector<DateLine>> tests = {test_date_lines(2000)};
  std::optional<Outcome> first;
  Score worst{1, 1, 1, 1, 1};
  double right = 0, mass = 0;
  Sizes sizes = sizes_for_dates(true, settings.embedding, settings.hidden);
  say("Training of %lld parameters: %d steps of %d dates, Adam(%g), the right digit told with",
      (long long)Seq2Seq(sizes).parameter_count(), settings.steps, settings.batch, settings.lr);
  say("probability %g", settings.teacher_forcing);
  say("    of 2,000 unseen dates     right, %%   characters, %%     mass    peak");
  for (int i = 0; i < settings.seeds; ++i) {
    uint64_t seed = settings.seed + uint64_t(i);
    Outcome o = run(settings, true, seed, settings.hidden, tests, "training");
    Score s = o.scores[0];
    say("      seed %-18lld %9.2f %15.2f   %.4f  %.4f", (long long)seed, 100 * s.right,
        100 * s.characters, s.mass, s.peak);
    worst = {std::min(worst.right, s.right), 0, std::min(worst.mass, s.mass), 0, s.uniform};
    right += s.right / settings.seeds, mass += s.mass / settings.seeds;
    if (!first) first.emplace(std::move(o));
  }
  if (settings.seeds > 1)
    say("      mean (worst)      %8.2f (%.2f) %18.4f (%.4f)", 100 * right, 100 * worst.right,
        mass, worst.mass);
  say("      equal weights would have a mass of %.4f", worst.uniform);
  say();
  if (settings.claims) {
    checks.check(worst.right >= 0.99, "at least 99 %% of 2,000 unseen dates right");
    checks.check(worst.mass >= 0.88, "at least 0.88 of a digit's weight on its characters");
  }
  say();
  return std::move(*first);
}

static void show_log(const Settings& settings, const DatesLog& log) {
  if (log.step.empty()) return;
  LineChart curve{"While training: 200 unseen dates",
                  "step",
                  "share",
                  {{"right", log.right, log.step}, {"mass", log.mass, log.step}},
                  0.,
                  1.};
  LineChart loss{"Loss", "step", "mean cross-entropy", {{"loss", log.loss}}, 0., {}};
  print(curve);
  say();
  write_svg(curve, settings.out + "/curve.svg");
  write_svg(loss, settings.out + "/loss.svg");
  write_csv(loss, settings.out + "/loss.csv");
}

// Where the model looks while it writes; four dates.
static void show_maps(const Settings& settings, const Seq2Seq& model) {
  std::vector<HeatMap> maps;
  for (const char* text : {"Thu, 03 May 1979", "dec. 3rd, 2005", "11/22/07", "20040229"})
    maps.push_back(map_of(model, date_language(), text));
  print(maps[0]);
  say();
  write_svg(maps, "Where it looks while it writes", 2, settings.out + "/alignment.svg");
}

static void prove(Outcome& o, Checks& checks) {
  say("Proofs, with the trained model and 8 dates of different lengths");
  std::vector<Example> examples;
  for (const DateLine& line : test_date_lines(8)) examples.push_back(date_example(line));
  Batch batch = make_batch(examples);
  prove_padding(o.model, batch, checks);
  prove_batch(o.model, examples, checks);
  prove_beam(o.model, batch, checks);
  say();
}

// A beam looks at several beginnings; for dates there is little to gain.
static void compare_beams(const Outcome& o, Checks& checks) {
  std::vector<DateLine> lines = test_date_lines(500);
  int right = 0;
  size_t line = 0;
  for (const Batch& batch : batches_of(lines, 250)) {
    NoGrad guard;
    Translation writer(o.model, batch);
    for (const Written& text : beam_search(writer, batch.size, 5, 12))
      right += text.words == date_example(lines[line++]).target;
  }
  double greedily = score(o.model, lines).right;
  say("500 of these dates, greedily: %.1f %% right; with a beam of 5: %.1f %%", 100 * greedily,
      right / 5.);
  checks.check(right / 500. > greedily - 0.01, "a beam does not do worse");
  say();
}

static void mistakes(const Walk& walk, const Outcome& o, bool claims, Checks& checks) {
  say("What the document gets wrong or leaves out, and what gives it away");
  cat_as_written(walk, checks);
  no_mask(walk, checks);
  say();
  say("Mistakes that others have made with such a model");
  deaf_weights(checks);
  gru_over_padding(walk, checks);
  if (claims) fed_with_padding(o.model, checks);
  if (claims) mean_over_batches(o.model, checks);
  last_token(checks);
  attention_bias(checks);
  two_grus(checks);
  say();
}

static void count(Checks& checks) {
  Sizes sizes{7853, 5893, 256, 512};
  Seq2Seq model(sizes);
  say("Parameters for 7,853 German and 5,893 English words, E = 256, H = 512");
  auto row = [](const char* name, int64_t n) { say("    %-22s %10lld", name, (long long)n); };
  row("encoder.embedding", model.encoder.embedding.parameter_count());
  row("encoder.gru", model.encoder.gru.parameter_count());
  row("encoder.bridge", model.encoder.bridge.parameter_count());
  row("decoder.embedding", model.decoder.embedding.parameter_count());
  row("decoder.attention", model.decoder.attention->parameter_count());
  row("decoder.cell", model.decoder.cell.parameter_count());
  row("decoder.out", model.decoder.out.parameter_count());
  row("all", model.parameter_count());
  checks.check(model.parameter_count() == 20518405, "20,518,405 parameters");
}

// ---- Options of the dates

static int masks(const Settings& settings) {
  Checks checks;
  mask_table(settings.seed, settings.steps, settings.claims, checks);
  return checks.finish();
}

// ---- The lesson

static int lesson(const Settings& settings) {
  Checks checks;
  Walk walk;
  step_1(walk, checks);
  step_2(walk, checks);
  step_3(walk, checks);
  step_4(walk, checks);
  step_5(walk, checks);
  count(checks);
  say();
  show_task();
  Outcome o = train_all(settings, checks);
  show_log(settings, o.log);
  show_maps(settings, o.model);
  compare_beams(o, checks);
  prove(o, checks);
  mistakes(walk, o, settings.claims, checks);
  Checkpoint saved(sizes_for_dates(true, settings.embedding, settings.hidden), date_language(),
                   o.model);
  if (!settings.save.empty()) saved.write(settings.save);
  talk(settings, saved);
  int status = checks.finish();
  say_weights({&o.model});
  return status;
}

// ---- What the command line asks for

// Options that make no sense together.
static void refuse(const Options& options, const Settings& s) {
  refuse_contradictions(options, s, {"--dates", "--masks", "--steps", "--seeds"});
  HEED_CHECK((s.save.empty() && !s.talks()) || (!s.masks && s.dates == 1), "[",
             s.masks ? "--masks" : "--dates",
             "] compares models: none is left to save or to translate with");
  if (s.count) refuse_unread(options, "--count", {});
  if (s.masks) refuse_unread(options, "--masks", {"--seed", "--steps"});
  if (s.only_talks())
    refuse_unread(options, "--load",
                  {"--translate", "--interactive", "--embedding", "--hidden"});
}

static void check_loaded(const Options& options, const Settings& s, const Checkpoint& saved) {
  check_as_loaded(options, s, "--embedding", s.embedding, saved.sizes.embedding);
  check_as_loaded(options, s, "--hidden", s.hidden, saved.sizes.hidden);
  check_as_loaded(options, s, saved.language, saved.sizes.dropout);
}

static int start(const Options& options, const Settings& s) {
  refuse(options, s);
  check_save(s);
  if (s.count) {
    Checks checks;
    count(checks);
    return checks.finish();
  }
  std::optional<Checkpoint> saved;
  if (!s.load.empty())
    saved.emplace(Checkpoint::read(s.load)), check_loaded(options, s, *saved);
  if (!s.corpus.pairs.empty()) return translation(s, std::move(saved));
  if (saved) {
    talk(s, *saved);
    return 0;
  }
  if (s.masks) return masks(s);
  if (s.dates > 1) return several_dates(s);
  check_text(s, date_language());
  return lesson(s);
}

// A corpus is trained on with the settings of the post behind the document.
static void settings_of_the_post(const Options& options, Settings& settings) {
  auto set = [&](const char* name, auto& value, auto of_the_post) {
    if (!options.given(name)) value = of_the_post;
  };
  set("--embedding", settings.embedding, 256);
  set("--hidden", settings.hidden, 512);
  set("--batch", settings.batch, 128);
  set("--lr", settings.lr, 0.001);
  set("--teacher-forcing", settings.teacher_forcing, 0.5);
}

int main(int argc, char** argv) {
  Settings s;
  Options options("lesson-04", "From one sequence to another, with additive attention.", s);
  options.add("--embedding", s.embedding, {1, 4096},
              "numbers of an embedding; 256 with --pairs");
  options.add("--hidden", s.hidden, {1, 4096}, "numbers of a state; 512 with --pairs");
  options.add("--batch", s.batch, {1, 4096}, "pairs in a batch; 128 with --pairs");
  options.add("--lr", s.lr, {0, 10}, "learning rate; 0.001 with --pairs");
  options.add("--teacher-forcing", s.teacher_forcing, {0, 1},
              "how often the right word is told; 0.5 with --pairs");
  options.add("--steps", s.steps, {50, 100000}, "dates: training steps; 1000 for several");
  options.add("--seeds", s.seeds, {1, 100}, "dates: seeds that the table is taken over");
  options.add("--dates", s.dates, {1, 3},
              "dates: most dates in a line; above 1: with attention and without");
  options.add("--masks", s.masks, "dates: what a missing mask costs");
  add_corpus_options(options, s, "pairs: of the embeddings");
  options.add("--count", s.count, "only count the parameters of the full size");
  options.draws = [&] { return !s.count && !s.masks && !s.only_talks(); };
  return run_lesson(argc, argv, options, [&] {
    s.corpus.level = s.level == "words" ? Level::words : Level::characters;
    if (!s.corpus.pairs.empty()) settings_of_the_post(options, s);
    if (s.dates > 1 && !options.given("--steps")) s.steps = 1000;
    for (const char* name : {"--seed", "--embedding", "--hidden", "--batch", "--lr",
                             "--teacher-forcing", "--steps"})
      s.claims = s.claims && !options.given(name);
    return start(options, s);
  });
}

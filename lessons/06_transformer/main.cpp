// Question: what do all the pieces make together, and is it better than what there was?
// Command:  make lesson-06            (ARGS="--warm-up" and more, see --help)
// Seconds:  about 13
// Expected: at least 99.5 of 100 unseen dates written right, all sequences copied.
#include "corpus.h"
#include "errata.h"
#include "lessons/04_sequence_to_sequence/experiment.h"
#include "lessons/support/line_chart.h"
#include "lessons/support/weights.h"
#include "warm_up.h"

using namespace heed;
using namespace lesson_06;

static long long shown(int64_t number) { return (long long)number; }

// ---- The model

static void show_model(const Settings& settings, Checks& checks) {
  Sizes sizes = sizes_for_dates(settings.where());
  Transformer model(sizes);
  say("The model: D = %d, H = %d, %d numbers inside, normalised %s", sizes.width, sizes.heads,
      sizes.hidden, settings.norm.c_str());
  auto row = [](const char* name, int64_t n) { say("    %-34s %7lld", name, shown(n)); };
  row("source: a row for each character", model.source.parameter_count());
  row("target", model.target.parameter_count());
  row(formatted("encoder, %d layers", sizes.encoder_layers).c_str(),
      model.encoder.parameter_count());
  row(formatted("decoder, %d layer", sizes.decoder_layers).c_str(),
      model.decoder.parameter_count());
  row("out", model.out.parameter_count());
  row("all", model.parameter_count());
  int expected = settings.where() == Norm::first ? 123407 : 123151;
  checks.check(model.parameter_count() == expected, "%d parameters", expected);
  say();
}

// ---- Copies

// in_pytorch.py, from the same seed, prints the same.
static void show_first_losses(const Settings& settings, const CopyRun& run, Checks& checks) {
  say("    the first losses");
  for (size_t i = 0; i < 10; ++i) say("      step %-3d %.6f", int(i) + 1, run.losses[i]);
  const double pytorchs[] = {2.910944, 2.770762, 2.690204};
  for (size_t i : {0, 1, 2})
    if (settings.claims)
      checks.near(formatted("loss of step %d, as PyTorch's", int(i) + 1), run.losses[i],
                  pytorchs[i], 1e-5);
}

// The loss of one who knows the right word and the smoothing: the entropy of the target.
static double least_loss(double smoothing, int words) {
  const double other = smoothing / words, right = 1 - smoothing + other;
  return -right * exact::log(right) - (words - 1) * other * exact::log(other);
}

static CopyRun copies(const Settings& settings, Checks& checks) {
  Plan plan = plan_for_copies();
  say("Copies of ten symbols: %lld parameters, %d steps of %d sequences",
      shown(Transformer(sizes_for_copies()).parameter_count()), plan.steps, plan.batch);
  std::vector<CopyRun> runs;
  for (int i = 0; i < settings.seeds; ++i)
    runs.push_back(run_copies(sizes_for_copies(), plan, settings.seed + uint64_t(i)));
  show_first_losses(settings, runs[0], checks);
  say("    of 1,000 fresh sequences      right    1 2 ... 10   last loss   seconds");
  bool all = true;
  for (size_t i = 0; i < runs.size(); ++i) {
    bool exact = is_ordered(runs[i].ordered);
    say("      seed %-20lld %8d    %10s   %9.4f %9.1f", shown(int64_t(settings.seed + i)),
        runs[i].right, exact ? "exact" : "wrong", runs[i].losses.back(), runs[i].seconds);
    all = all && exact && runs[i].right == 1000;
  }
  say("    with a smoothing of %g no mean loss is below %.4f", plan.smoothing,
      least_loss(plan.smoothing, sizes_for_copies().target_words));
  if (settings.claims) checks.check(all, "all sequences are copied, 1 2 ... 10 among them");
  say();
  return std::move(runs[0]);
}

// ---- Dates

static std::string row_of(const Score& s) {
  return formatted("%8.2f   %.3f  %.3f", 100 * s.right, s.mass, s.peak);
}

struct Aligner {  // lesson 04's model, trained as it is there
  lesson_04::Outcome outcome;
  double seconds = 0;
  int64_t multiply_adds = 0;
};

static Aligner lesson_04s(uint64_t seed) {
  lesson_04::Settings settings;
  double start = seconds_now();
  Aligner a{lesson_04::run(settings, true, seed, settings.hidden, {test_date_lines(2000)},
                           "lesson 04")};
  a.seconds = seconds_now() - start;
  DateStream stream(1000 + seed, settings.batch, 1);
  for (int i = 0; i < settings.steps; ++i)
    a.multiply_adds += training(lesson_04::sizes_for_dates(), stream.next());
  return a;
}

static void say_model(const char* name, int64_t parameters, int steps, int64_t multiply_adds,
                      double seconds, const Score& s) {
  say("    %-22s %10lld %6d x 32 %8.0f %9.1f %s", name, shown(parameters), steps,
      2e-9 * double(multiply_adds), seconds, row_of(s).c_str());
}

static void side_by_side(const DatesRun& run, const Aligner& gru, Checks& checks,
                         const Settings& settings) {
  say("The dates of lesson 04, and of 2,000 unseen ones");
  say("                           parameters  steps x dates    GFLOP   seconds right, %%    "
      "mass"
      "   peak");
  say_model("GRUs, lesson 04", gru.outcome.model.parameter_count(), 600, gru.multiply_adds,
            gru.seconds, gru.outcome.scores[0]);
  say_model("Transformer", run.model.parameter_count(), settings.steps, run.multiply_adds,
            run.seconds, run.scores.mean);
  for (size_t h = 0; h < run.scores.heads.size(); ++h)
    say("      head %d alone %62.3f  %.3f", int(h) + 1, run.scores.heads[h].mass,
        run.scores.heads[h].peak);
  say("    mass and peak of the Transformer are those of the mean of its heads; equal weights:"
      " %.3f",
      run.scores.mean.uniform);
  if (!settings.claims) return;
  checks.check(run.scores.mean.right >= 0.995, "at least 99.5 %% of 2,000 unseen dates right");
  checks.check(run.scores.mean.mass > 0.75,
               "the heads together look where the digits come from");
}

static void show_curves(const Settings& settings, const DatesRun& run, const Aligner& gru) {
  auto in_dates = [](std::vector<double> steps) {
    for (double& step : steps) step *= 32;
    return steps;
  };
  const auto& log = gru.outcome.log;
  LineChart chart{"While training: 200 unseen dates",
                  "dates trained on",
                  "right",
                  {{"Transformer", run.log.right, in_dates(run.log.step)},
                   {"GRUs, lesson 04", log.right, in_dates(log.step)}},
                  0.,
                  1.};
  LineChart loss{"Loss", "step", "cross-entropy, smoothed", {{"loss", run.log.loss}}, 0., {}};
  if (!run.log.step.empty()) print(chart);
  if (!run.log.step.empty()) write_svg(chart, settings.out + "/curve.svg");
  write_svg(loss, settings.out + "/loss.svg");
  write_csv(loss, settings.out + "/loss.csv");
  say();
}

// Where each head looks while a date is written, and all of them in the mean.
static void show_heads(const Settings& settings, const Transformer& model) {
  const std::string text = "Thu, 03 May 1979";
  Example example = date_example({text, "1979-05-03", {}});
  Batch batch = make_batch(std::span(&example, 1));
  std::vector<Reading> reading{read_lines(model, batch)};
  std::vector<HeatMap> maps;
  for (int head = -1; head < int(reading[0].weights[0].size(1)); ++head) {
    Reading one = (head < 0 ? of_mean(reading) : of_head(reading, head))[0];
    HeatMap map;
    map.title = head < 0 ? "mean of the heads" : formatted("head %d", head + 1);
    map.query_label = "written", map.key_label = "read";
    for (char c : text) map.keys.push_back({c});
    const std::vector<int>& words = one.texts[0].words;
    for (size_t t = 0; t < words.size() + one.texts[0].ended && t < one.weights.size(); ++t) {
      map.queries.push_back(t < words.size() ? date_target_vocabulary().word(words[t])
                                             : "<eos>");
      for (Scalar w : one.weights[t].to_vector()) map.values.push_back(double(w));
    }
    maps.push_back(std::move(map));
  }
  print(maps[0]);
  say();
  write_svg(maps, "Where the heads look while they write", 3, settings.out + "/heads.svg");
}

static DatesRun dates(const Settings& settings, Checks& checks) {
  DatesRun run = run_dates(sizes_for_dates(settings.where()), settings.plan(), settings.seed);
  Aligner gru = lesson_04s(settings.seed);
  side_by_side(run, gru, checks, settings);
  say();
  show_curves(settings, run, gru);
  show_heads(settings, run.model);
  return run;
}

// The Transformer alone, over several seeds.
static void seeds_table(const Settings& settings, const DatesRun& first, Checks& checks) {
  if (settings.seeds == 1) return;
  say("Over %d seeds, of 2,000 unseen dates", settings.seeds);
  say("                  right, %%   mean of heads    mass of each head          peak of each");
  double worst = 1, right = 0, mass = 0;
  for (int i = 0; i < settings.seeds; ++i) {
    std::optional<DatesRun> other;
    if (i > 0)
      other.emplace(run_dates(sizes_for_dates(settings.where()), settings.plan(),
                              settings.seed + uint64_t(i)));
    const Scores& s = other ? other->scores : first.scores;
    std::string masses, peaks;
    for (const Score& head : s.heads)
      masses += formatted(" %.3f", head.mass), peaks += formatted(" %.3f", head.peak);
    say("      seed %lld   %s  %s  %s", shown(int64_t(settings.seed) + i),
        row_of(s.mean).c_str(), masses.c_str(), peaks.c_str());
    worst = std::min(worst, s.mean.right);
    right += s.mean.right / settings.seeds, mass += s.mean.mass / settings.seeds;
  }
  say("      mean     %8.2f   %.3f", 100 * right, mass);
  if (settings.claims)
    checks.check(worst >= 0.995, "at least 99.5 %% of 2,000 unseen dates right, every seed");
  say();
}

static void mistakes(const Settings& settings, const Transformer& model, const CopyRun& copies,
                     Checks& checks) {
  say("Mistakes of texts and programs, and what gives them away");
  start_symbol(copies, settings.seed, checks);
  wrong_labels(model, checks);
  normalisation(checks);
  accumulation(checks);
  smoothing(checks);
  if (settings.claims) polarity(model, checks);
  say();
}

static int lesson(const Settings& settings) {
  Checks checks;
  show_model(settings, checks);
  show_cost_of_writing(sizes_for_dates(settings.where()), checks);
  CopyRun copied = copies(settings, checks);
  DatesRun run = dates(settings, checks);
  seeds_table(settings, run, checks);
  say("Proofs, with the trained model and 8 dates of different lengths");
  prove(run.model, checks);
  find_the_leak(run.model, checks);
  prove_the_cache(run.model, checks);
  say();
  mistakes(settings, run.model, copied, checks);
  save(settings.out + "/copies.safetensors", copied.model.state_dict());  // for in_pytorch.py
  Checkpoint saved(sizes_for_dates(settings.where()), date_language(), run.model);
  if (!settings.save.empty()) saved.write(settings.save);
  talk(settings, saved);
  int status = checks.finish();
  say_weights({&copied.model, &run.model});
  return status;
}

static int warm_up_alone(const Settings& settings) {
  Checks checks;
  warm_up_table(settings.seed, settings.seeds, settings.claims, checks);
  return checks.finish();
}

// ---- What the command line asks for

static void check_loaded(const Options& options, const Settings& s, const Checkpoint& saved) {
  check_as_loaded(options, s, "--width", s.width, saved.sizes.width);
  check_as_loaded(options, s, "--heads", s.heads, saved.sizes.heads);
  check_as_loaded(options, s, "--hidden", s.hidden, saved.sizes.hidden);
  check_as_loaded(options, s, "--layers", s.layers, saved.sizes.encoder_layers);
  check_as_loaded(options, s, "--norm", s.norm,
                  std::string(saved.sizes.norm == Norm::first ? "first" : "last"));
  check_as_loaded(options, s, saved.language, saved.sizes.dropout);
}

static int start(const Options& options, const Settings& s) {
  refuse_contradictions(options, s, {"--steps", "--seeds", "--warm-up"},
                        {"--width", "--heads", "--hidden", "--layers", "--batch"});
  HEED_CHECK((s.save.empty() && !s.talks()) || !s.warm_up,
             "[--warm-up] compares models: none is left to save or to translate with");
  HEED_CHECK(!s.load.empty() || s.width % s.heads == 0, "[--heads] ", s.heads,
             " heads share ", s.width, " numbers (--width): it must be divisible by them");
  if (s.warm_up) refuse_unread(options, "--warm-up", {"--seed", "--seeds"});
  if (s.only_talks())
    refuse_unread(options, "--load", {"--translate", "--interactive", "--norm"});
  check_save(s);
  std::optional<Checkpoint> saved;
  if (!s.load.empty())
    saved.emplace(Checkpoint::read(s.load)), check_loaded(options, s, *saved);
  if (!s.corpus.pairs.empty()) return learn_pairs(s, std::move(saved));
  if (saved) {
    talk(s, *saved);
    return 0;
  }
  if (s.warm_up) return warm_up_alone(s);
  check_text(s, date_language());
  return lesson(s);
}

int main(int argc, char** argv) {
  Settings s;
  Options options("lesson-06", "A Transformer, from the pieces of lesson 02.", s);
  options.add("--steps", s.steps, {1, 100000}, "dates: training steps");
  options.add("--seeds", s.seeds, {1, 100}, "seeds that the tables are taken over");
  options.add("--warm-up", s.warm_up, "only the table that shows what warm-up is for");
  options.add("--lr", s.lr, {0, 10}, "learning rate, at its highest; 0.001 with --pairs");
  options.add("--norm", s.norm, std::vector<std::string>{"first", "last"},
              "where a sublayer is normalised");
  options.add("--width", s.width, {1, 4096}, "pairs: numbers of a token");
  options.add("--heads", s.heads, {1, 4096}, "pairs: heads of each attention");
  options.add("--hidden", s.hidden, {1, 16384}, "pairs: numbers inside a feed-forward network");
  options.add("--layers", s.layers, {1, 100},
              "pairs: layers of the encoder, and of the decoder");
  options.add("--batch", s.batch, {1, 4096}, "pairs: as many in a batch");
  add_corpus_options(options, s, "pairs: of embeddings, weights, hidden numbers, sublayers");
  options.draws = [&] { return !s.warm_up && !s.only_talks(); };
  return run_lesson(argc, argv, options, [&] {
    s.corpus.level = s.level == "words" ? Level::words : Level::characters;
    if (!s.corpus.pairs.empty() && !options.given("--lr")) s.lr = 0.001;
    for (const char* name : {"--seed", "--steps", "--lr", "--norm"})
      s.claims = s.claims && !options.given(name);
    return start(options, s);
  });
}

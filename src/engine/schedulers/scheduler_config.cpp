#include "engine/schedulers/scheduler_config.h"

#include <cstdint>
#include <set>

#include "common/base/error.h"

namespace safelight {
namespace {

SchedulerConfig defaults_of(const std::string& class_name) {
  SchedulerConfig c;
  c.class_name = class_name;
  if (class_name == "DDIMScheduler") c.clip_sample = true;
  if (class_name == "PNDMScheduler") c.set_alpha_to_one = false;
  if (class_name == "LCMScheduler") c.beta_start = 0.00085, c.beta_end = 0.012, c.beta_schedule = "scaled_linear";
  if (class_name == "HeunDiscreteScheduler") c.beta_start = 0.00085, c.beta_end = 0.012;
  for (const char* linspaced : {"LMSDiscreteScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler",
                                "HeunDiscreteScheduler", "DPMSolverMultistepScheduler", "KDPM2DiscreteScheduler",
                                "KDPM2AncestralDiscreteScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler",
                                "DEISMultistepScheduler"})
    if (class_name == linspaced) c.spacing = "linspace";
  if (class_name == "DDPMScheduler") c.clip_sample = true;
  if (class_name == "KDPM2DiscreteScheduler" || class_name == "KDPM2AncestralDiscreteScheduler" || class_name == "TCDScheduler")
    c.beta_start = 0.00085, c.beta_end = 0.012;
  if (class_name == "TCDScheduler") c.beta_schedule = "scaled_linear";
  if (class_name == "UniPCMultistepScheduler") c.solver_type = "bh2";
  if (class_name == "DEISMultistepScheduler") c.solver_type = "logrho", c.algorithm = "deis";
  if (c.frame() == Frame::flow) c.prediction = Prediction::flow;
  return c;
}

class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json_.is_object()) throw Error(ErrorCode::corrupt_file, where_ + ": expected an object");
  }
  template <class T>
  void operator()(const char* key, T& value) {
    known_.insert(key);
    const auto it = json_.find(key);
    if (it == json_.end() || it->is_null()) return;
    try {
      if constexpr (std::is_same_v<T, int>) {
        const auto wide = it->template get<std::int64_t>();
        if (!it->is_number_integer() || wide < INT32_MIN || wide > INT32_MAX) throw Error(ErrorCode::corrupt_file, where_ + ": key '" + key + "' must be a whole number, and is " + it->dump());
        value = static_cast<int>(wide);
      } else {
        value = it->template get<T>();
      }
    } catch (const Json::exception&) {
      throw Error(ErrorCode::corrupt_file, where_ + ": key '" + key + "' has the wrong type");
    }
  }
  void optional(const char* key, std::optional<double>& value) {
    double v = 0;
    (*this)(key, v);
    if (json_.contains(key) && !json_[key].is_null()) value = v;
  }
  void choice(const char* key, std::string& value, std::initializer_list<const char*> allowed) {
    (*this)(key, value);
    std::string names;
    for (const char* a : allowed) {
      if (value == a) return;
      names += (names.empty() ? "" : ", ") + std::string(a);
    }
    throw Error(ErrorCode::unsupported, where_ + ": " + key + " is '" + value + "'; known: " + names);
  }
  // A setting of the field's schedulers that would change the picture and that we do not have.
  void refuse_unless(const char* key, const Json& harmless) {
    known_.insert(key);
    const auto it = json_.find(key);
    if (it != json_.end() && !it->is_null() && *it != harmless)
      throw Error(ErrorCode::unsupported, where_ + ": " + key + " = " + it->dump() + " is not supported");
  }
  void finish() const {
    for (const auto& [key, value] : json_.items()) {
      if (key.front() == '_' || known_.contains(key)) continue;
      std::string names;
      for (const std::string& k : known_) names += (names.empty() ? "" : ", ") + k;
      throw Error(ErrorCode::corrupt_file, where_ + ": unknown key '" + key + "'; known: " + names);
    }
  }

 private:
  const Json& json_;
  std::string where_;
  std::set<std::string> known_;
};

void read_sigmas(Reader& read, SchedulerConfig& c, const std::string& where) {
  for (const auto& [key, sigmas] : {std::pair{"use_karras_sigmas", "karras"}, {"use_lu_lambdas", "lu"}, {"use_exponential_sigmas", "exponential"}, {"use_beta_sigmas", "beta"}}) {
    bool used = false;
    read(key, used);
    if (used && !c.sigmas.empty()) throw Error(ErrorCode::conflict, where + ": " + key + " and the setting for " + c.sigmas + " sigmas exclude each other");
    if (used) c.sigmas = sigmas;
  }
  read.choice("interpolation_type", c.interpolation, {"linear", "log_linear"});
  read.choice("final_sigmas_type", c.final_sigmas, {"zero", "sigma_min"});
  read.optional("sigma_min", c.sigma_min);
  read.optional("sigma_max", c.sigma_max);
}

void read_solver(Reader& read, SchedulerConfig& c) {
  read("solver_order", c.solver_order);
  read.choice("algorithm_type", c.algorithm, {"dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis"});
  read.choice("solver_type", c.solver_type, {"midpoint", "heun", "bh1", "bh2", "logrho"});
  read("lower_order_final", c.lower_order_final);
  read("euler_at_final", c.euler_at_final);
  read("original_inference_steps", c.original_inference_steps);
  read("timestep_scaling", c.timestep_scaling);
  read("skip_prk_steps", c.skip_prk_steps);
  read("predict_x0", c.predict_x0);
  read("disable_corrector", c.disable_corrector);
  read.refuse_unless("solver_p", nullptr);
}

// `variance_type` means the noise of the ancestral step in one class, and learned variances everywhere else.
void read_variance(Reader& read, SchedulerConfig& c) {
  if (c.class_name != "DDPMScheduler") return read.refuse_unless("variance_type", nullptr);
  read.choice("variance_type", c.variance, {"fixed_small", "fixed_small_log", "fixed_large"});
}

void read_flow(Reader& read, SchedulerConfig& c) {
  read("shift", c.shift);
  read("use_dynamic_shifting", c.use_dynamic_shifting);
  read("base_shift", c.base_shift);
  read("max_shift", c.max_shift);
  read("base_image_seq_len", c.base_image_seq_len);
  read("max_image_seq_len", c.max_image_seq_len);
}

void read_edm(Reader& read, SchedulerConfig& c) {
  read("sigma_data", c.sigma_data);
  read("rho", c.rho);
  read.choice("sigma_schedule", c.sigma_schedule, {"karras", "exponential"});
}

}  // namespace

Frame frame_of(const std::string& class_name) {
  return class_name.starts_with("FlowMatch") ? Frame::flow : class_name.starts_with("EDM") ? Frame::edm : Frame::variance_preserving;
}

const char* name(Frame frame) {
  return frame == Frame::flow ? "flow" : frame == Frame::edm ? "edm" : "variance-preserving";
}

const char* name(Prediction prediction) {
  switch (prediction) {
    case Prediction::epsilon: return "epsilon";
    case Prediction::v_prediction: return "v_prediction";
    case Prediction::sample: return "sample";
    case Prediction::flow: return "flow";
    case Prediction::edm: return "edm";
  }
  return "?";
}

Prediction prediction_named(const std::string& text) {
  for (const Prediction p : {Prediction::epsilon, Prediction::v_prediction, Prediction::sample})
    if (text == name(p)) return p;
  throw Error(ErrorCode::invalid_argument,
              "prediction type '" + text + "' is unknown; known: epsilon, v_prediction, sample");
}

SchedulerConfig SchedulerConfig::from_json(const Json& json, const std::string& where, const std::string& class_name) {
  Reader read(json, where);
  std::string own;
  read("_class_name", own);
  SchedulerConfig c = defaults_of(class_name.empty() ? own : class_name);
  if (!class_name.empty() && !own.empty()) {
    if (frame_of(own) != c.frame())
      throw Error(ErrorCode::conflict, where + ": the model was made for " + own + ", which noises pictures in another way than " + class_name + "; choose a scheduler of the same kind");
  }
  read("num_train_timesteps", c.num_train_timesteps);
  read("beta_start", c.beta_start);
  read("beta_end", c.beta_end);
  read.choice("beta_schedule", c.beta_schedule, {"linear", "scaled_linear", "squaredcos_cap_v2"});
  read("trained_betas", c.trained_betas);
  if (c.frame() == Frame::flow) {
    read.refuse_unless("prediction_type", "flow_prediction");
  } else {
    std::string prediction = "epsilon";
    read("prediction_type", prediction);
    read.choice("prediction_type", prediction, {"epsilon", "v_prediction", "sample"});
    c.prediction = prediction_named(prediction);
    if (c.frame() == Frame::edm && c.prediction == Prediction::epsilon) c.prediction = Prediction::edm;
  }
  read.choice("timestep_spacing", c.spacing, {"leading", "trailing", "linspace"});
  read("steps_offset", c.steps_offset);
  read("rescale_betas_zero_snr", c.rescale_betas_zero_snr);
  read("set_alpha_to_one", c.set_alpha_to_one);
  read("clip_sample", c.clip_sample);
  read("clip_sample_range", c.clip_sample_range);
  read("thresholding", c.thresholding);
  read("dynamic_thresholding_ratio", c.dynamic_thresholding_ratio);
  read("sample_max_value", c.sample_max_value);
  read.choice("timestep_type", c.timestep_type, {"discrete", "continuous"});
  if (json.contains("lambda_min_clipped") && !json["lambda_min_clipped"].is_string()) read("lambda_min_clipped", c.lambda_min_clipped);
  else read.refuse_unless("lambda_min_clipped", "-inf");
  read_sigmas(read, c, where);
  read_solver(read, c);
  read_variance(read, c);
  read_flow(read, c);
  read_edm(read, c);
  read.finish();
  if (c.num_train_timesteps < 2 || c.num_train_timesteps > 100'000 || !(c.beta_start > 0) || !(c.beta_end > 0) || c.beta_end >= 1)
    throw Error(ErrorCode::corrupt_file, where + ": num_train_timesteps or the betas are out of range");
  for (const double beta : c.trained_betas)
    if (!(beta > 0 && beta < 1)) throw Error(ErrorCode::corrupt_file, where + ": trained_betas must lie between 0 and 1");
  if (!c.trained_betas.empty() && c.trained_betas.size() != static_cast<std::size_t>(c.num_train_timesteps))
    throw Error(ErrorCode::corrupt_file, where + ": trained_betas has " + std::to_string(c.trained_betas.size()) + " entries for " + std::to_string(c.num_train_timesteps) + " timesteps");
  if (c.steps_offset < 0 || c.steps_offset >= c.num_train_timesteps) throw Error(ErrorCode::corrupt_file, where + ": steps_offset is " + std::to_string(c.steps_offset) + ", outside the schedule");
  if (!(c.dynamic_thresholding_ratio > 0 && c.dynamic_thresholding_ratio <= 1)) throw Error(ErrorCode::corrupt_file, where + ": dynamic_thresholding_ratio must lie between 0 and 1");
  if (!(c.sample_max_value >= 1) || !(c.clip_sample_range > 0)) throw Error(ErrorCode::corrupt_file, where + ": sample_max_value must be at least 1 and clip_sample_range positive");
  for (const auto& [key, sigma] : {std::pair{"sigma_min", c.sigma_min}, {"sigma_max", c.sigma_max}})
    if (sigma && !(*sigma > 0 && *sigma < 1e6)) throw Error(ErrorCode::corrupt_file, where + ": " + key + " must be positive");
  if (c.sigma_min && c.sigma_max && *c.sigma_min >= *c.sigma_max) throw Error(ErrorCode::corrupt_file, where + ": sigma_min must lie below sigma_max");
  if (c.solver_order < 1 || c.solver_order > 3) throw Error(ErrorCode::unsupported, where + ": solver_order is " + std::to_string(c.solver_order) + "; use 1 to 3");
  if (!(c.shift > 0) || !(c.rho > 0) || !(c.sigma_data > 0) || c.original_inference_steps < 1)
    throw Error(ErrorCode::corrupt_file, where + ": shift, rho, sigma_data or original_inference_steps is out of range");
  if (c.rescale_betas_zero_snr && c.prediction == Prediction::epsilon && c.class_name == "DDIMScheduler")
    throw Error(ErrorCode::conflict, where + ": a schedule that ends in pure noise cannot be sampled by predicting the noise");
  return c;
}

}  // namespace safelight

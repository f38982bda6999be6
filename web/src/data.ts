// What a page holds. src/insight/report/ writes runs and sweeps, src/insight/comparison/comparison_json.cpp comparisons.
export interface Series { name: string; unit: string; meaning: string; probe: string; labels: string[]; values: (number | null)[][]; low?: (number | null)[][]; high?: (number | null)[][]; }
export interface HeatMap { name: string; meaning: string; labels: string[]; shape: number[]; rows: (string | null)[]; peaks: number[]; }
export interface Finding { detector: string; subsystem: string; cause: string; first_step: number; last_step: number; severity: number; module?: string; what: string; evidence: Evidence[]; }
export interface Evidence { statistic: string; value: number; low: number | null; high: number | null; step: number; note: string; }
export interface Check { name: string; value: number | null; low: number | null; high: number | null; state: string; what: string; }
export interface RunLink { run: string | null; picture: string | null; page: string | null; }
export interface Counterfactual { change: string; subsystem: string; before: number[]; after: number[]; sham: number[]; cures: boolean; p_value: number; cost_ratio: number; before_runs: RunLink[]; after_runs: RunLink[]; sham_runs: RunLink[]; }
export interface Verdict { healthy: boolean; undetermined: boolean; stage: string; subsystem: string; module?: string; trigger: string; cause: string; step: number; confidence: number; sentence: string; remedy: string; ranking: {subsystem: string; weight: number}[]; checks: Check[]; scores: {symptom: string; score: number}[]; findings: Finding[]; counterfactuals: Counterfactual[]; signatures: string[]; notes: string[]; }
export interface KnownFailure { id: string; title: string; subsystem: string; symptom: string; conditions: string; fix: string; agreement: number; why: string[]; lacking: string[]; references: string[]; origin: string; }
export interface Run { id: string; status: string; error?: string; first_step: number; steps_done: number; steps_planned: number; images: string[]; previews: (string | null)[]; timesteps: number[]; series: Series[]; maps: HeatMap[]; verdict: Verdict | null; known_failures: KnownFailure[]; resolved: Record<string, unknown>; environment: Record<string, unknown>; weights: {component: string; file: string; sha256: string}[]; stages: {name: string; ms: number}[]; probe_cost: Record<string, unknown> | null; interventions: Record<string, unknown>; }

export interface RunLabel { id: string; directory: string; prompt: string; status: string; steps: number; }
export interface ParameterDifference { path: string; first: unknown; second: unknown; measured: boolean; }
export interface StepPair { first: number; second: number; timestep: number | null; }
export interface LatentDifference { steps_first: number; steps_second: number; distance: number | null; }
export interface SeriesDifference { name: string; unit: string; meaning: string; scalar: boolean; relative: number; first_pair: number; largest_pair: number; difference: (number | null)[]; }
export interface PictureDifference { index: number; width: number; height: number; resized: boolean; mean: number; psnr_db: number; changed: number; box: number[]; columns: number; rows: number; grid: number[]; }
export interface WordDifference { first: string; second: string; index_first: number; index_second: number; match: string; moved: (number | null)[]; moved_mean: number; moved_most: number; most_pair: number; share_first: number; share_second: number; shift_x: number; shift_y: number; }
export interface Sensitivity { brittle: string; why: string; edited: string[]; words_changed: number; words: number; move: number | null; low: number | null; median: number | null; high: number | null; own_edit: number | null; }
export interface Comparison { first: RunLabel; second: RunLabel; same_bytes: boolean; parting: {step: number; timestep: number | null; by: string; half_steps: number}; sensitivity: Sensitivity; final_distance: number | null; pictures: PictureDifference[]; parameters: ParameterDifference[]; words: WordDifference[]; latents: LatentDifference[]; latents_scaled: boolean; same_schedule: boolean; steps: StepPair[]; series: SeriesDifference[]; missing: string[]; }

export interface Interval { value: number | null; low: number | null; high: number | null; }
export interface Point { model: string; decoder: string; scheduler: string; steps: number; guidance: number; name: string; cells: number; failed: number; healthy: Interval; artifact: Interval; adherence: Interval; loss: Interval; evaluations: number; pareto: boolean; time_ms: number; }
export interface Cell { cell: number; run: string; point: number; seed: number; error: string; error_code: string; healthy: boolean; undetermined: boolean; subsystem: string; cause: string; trigger: string; sentence: string; severity: number; artifact: number | null; adherence: number | null; loss: number; time_ms: number; checks: Check[]; picture: string | null; page: string | null; }
export interface FailureVector { subsystem: string; cause: string; weight: Interval; prevalence: Interval; severity: Interval; separated?: {where: string; confined: boolean; captured: number}; }
export interface Region { where: string; cells: number; healthy: Interval; failures: FailureVector[]; }
export interface Recommended { faithful: string; fast: string; faithful_point: number; fast_point: number; loss_added: Interval; time_ratio: number; }
export interface Sweep { spec: {request: Record<string, unknown>}; shared: {what: string; times: number; instead_of: number}[]; cells_planned: number; recommended: Recommended | null; failures: FailureVector[]; points: Point[]; regions: Region[]; cells: Cell[]; }

export interface Page { runs: Run[]; comparison?: Comparison; sweep?: Sweep; }

// What a report holds. src/insight/report/report_data.cpp writes it.
export interface Series { name: string; unit: string; meaning: string; probe: string; labels: string[]; values: (number | null)[][]; low?: (number | null)[][]; high?: (number | null)[][]; }
export interface HeatMap { name: string; meaning: string; labels: string[]; shape: number[]; rows: (string | null)[]; peaks: number[]; }
export interface Finding { detector: string; subsystem: string; cause: string; first_step: number; last_step: number; severity: number; what: string; evidence: Evidence[]; }
export interface Evidence { statistic: string; value: number; low: number | null; high: number | null; step: number; note: string; }
export interface Check { name: string; value: number | null; low: number | null; high: number | null; state: string; what: string; }
export interface Counterfactual { change: string; subsystem: string; before: number[]; after: number[]; sham: number[]; cures: boolean; cost_ratio: number; after_images: (string | null)[]; sham_images: (string | null)[]; }
export interface Verdict { healthy: boolean; undetermined: boolean; subsystem: string; trigger: string; cause: string; step: number; confidence: number; sentence: string; remedy: string; ranking: {subsystem: string; weight: number}[]; checks: Check[]; scores: {symptom: string; score: number}[]; findings: Finding[]; counterfactuals: Counterfactual[]; signatures: string[]; notes: string[]; }
export interface Run { id: string; status: string; error?: string; steps_done: number; steps_planned: number; images: string[]; previews: (string | null)[]; timesteps: number[]; series: Series[]; maps: HeatMap[]; verdict: Verdict | null; resolved: Record<string, unknown>; environment: Record<string, unknown>; weights: {component: string; file: string; sha256: string}[]; stages: {name: string; ms: number}[]; probe_cost: Record<string, unknown> | null; interventions: Record<string, unknown>; }
export interface Report { runs: Run[]; }

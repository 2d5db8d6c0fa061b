import type {
  Check,
  CheckResult,
  HealthStatus,
  Metric,
  ProcessState,
  ProcessStatesOptions,
} from '../types.ts';
import { timing } from './timing.ts';

const rank: Readonly<Record<HealthStatus, number>> = { pass: 0, warn: 1, fail: 2 };

/** States of processes, from a function: the worst one is the verdict. */
export function processStates(options: ProcessStatesOptions): Check {
  const pass = options.pass ?? ['ready', 'running', 'completed'];
  const warn = options.warn ?? ['starting', 'waiting', 'backoff'];
  const judge = (state: string): HealthStatus =>
    pass.includes(state) ? 'pass' : warn.includes(state) ? 'warn' : 'fail';

  return {
    ...timing(options, { intervalMs: 1_000 }),
    componentType: 'component',
    run({ now }): CheckResult {
      const listed = options.list();
      const chosen =
        options.only === undefined ? listed : listed.filter(({ name }) => options.only?.includes(name));
      const missing = (options.only ?? []).filter((name) => !listed.some((one) => one.name === name));
      const bad = chosen.filter((one) => judge(one.state) !== 'pass');
      const status =
        missing.length > 0
          ? 'fail'
          : bad.map((one) => judge(one.state)).reduce((a, b) => (rank[b] > rank[a] ? b : a), 'pass');
      const words = [
        ...bad.map((one) => `${one.name} is ${one.state}${restartsOf(one)}`),
        ...missing.map((name) => `${name} is not there`),
      ];
      const [only] = chosen;
      return {
        status,
        observed:
          chosen.length === 1 && only !== undefined && options.only?.length === 1
            ? only.state
            : Object.fromEntries(chosen.map(({ name, state }) => [name, state])),
        unit: 'state',
        metrics: chosen.flatMap((one) => metricsOf(one, judge(one.state), now())),
        ...(words.length === 0 ? {} : { message: words.join('; ') }),
      };
    },
  };
}

function restartsOf(one: ProcessState): string {
  return one.restarts === undefined || one.restarts === 0 ? '' : ` after ${one.restarts} restarts`;
}

function metricsOf(one: ProcessState, status: HealthStatus, now: number): Metric[] {
  const labels = { process: one.name };
  const gauge = (name: string, help: string, value: number | null | undefined): Metric[] =>
    value === null || value === undefined ? [] : [{ name, help, type: 'gauge', value, labels }];
  return [
    ...gauge('supervised_process_up', '1 when the process is as it should be', status === 'pass' ? 1 : 0),
    ...gauge(
      'supervised_process_state_age_seconds',
      'Time in this state',
      one.since === undefined ? undefined : Math.max(0, now - one.since) / 1000,
    ),
    ...gauge('supervised_process_resident_memory_bytes', 'Resident memory', one.memoryBytes),
    ...gauge('supervised_process_cpu_seconds', 'CPU time since the start of the process', one.cpuSeconds),
    ...(one.restarts === undefined
      ? []
      : [
          {
            name: 'supervised_process_restarts_total',
            help: 'Starts after the first one',
            type: 'counter',
            value: one.restarts,
            labels,
          } as const,
        ]),
  ];
}

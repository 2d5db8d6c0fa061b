import type { CheckRunner } from './check-runner.ts';
import type { Metric } from './types.ts';

/** Samples of the health object itself. */
export function checkMetrics(runners: readonly CheckRunner[], ready: boolean): Metric[] {
  const metrics: Metric[] = [
    { name: 'health_ready', help: '1 when ready answers 200', type: 'gauge', value: ready ? 1 : 0 },
  ];
  for (const runner of runners) {
    const labels = { check: runner.name };
    const { status } = runner.item();
    const { runs, lastMs, ageMs, result } = runner.stats();
    for (const one of ['pass', 'warn', 'fail'] as const) {
      metrics.push({
        name: 'health_check_status',
        help: '1 for the verdict of the check',
        type: 'gauge',
        value: status === one ? 1 : 0,
        labels: { ...labels, status: one },
      });
    }
    metrics.push({
      name: 'health_check_runs_total',
      help: 'Runs of the check',
      type: 'counter',
      value: runs,
      labels,
    });
    if (lastMs !== undefined && ageMs !== undefined) {
      metrics.push(
        {
          name: 'health_check_duration_seconds',
          help: 'How long the last run took',
          type: 'gauge',
          value: lastMs / 1000,
          labels,
        },
        {
          name: 'health_check_age_seconds',
          help: 'Age of the verdict',
          type: 'gauge',
          value: ageMs / 1000,
          labels,
        },
      );
    }
    metrics.push(...(result?.metrics ?? []));
  }
  return metrics;
}

/** Samples of this process. */
export function processMetrics(): Metric[] {
  const { user, system } = process.cpuUsage();
  return [
    {
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time of this process',
      type: 'counter',
      value: (user + system) / 1e6,
    },
    {
      name: 'process_resident_memory_bytes',
      help: 'Resident memory of this process',
      type: 'gauge',
      value: process.memoryUsage.rss(),
    },
    {
      name: 'process_start_time_seconds',
      help: 'Start of this process, seconds since the epoch',
      type: 'gauge',
      value: Math.round(performance.timeOrigin) / 1000,
    },
  ];
}

/** Text format 0.0.4; the samples of one name stand together, as it demands. */
export function prometheusText(metrics: readonly Metric[]): string {
  const groups = new Map<string, Metric[]>();
  for (const metric of metrics) {
    if (!/^[A-Za-z_:][\w:]*$/.test(metric.name)) continue;
    const group = groups.get(metric.name);
    if (group === undefined) groups.set(metric.name, [metric]);
    else group.push(metric);
  }
  const lines: string[] = [];
  for (const [name, group] of groups) {
    const [head] = group;
    if (head === undefined) continue;
    lines.push(`# HELP ${name} ${escapeHelp(head.help)}`, `# TYPE ${name} ${head.type}`);
    const seen = new Set<string>();
    for (const metric of group) {
      const sample = name + labelText(metric.labels);
      // Two samples of one identity make Prometheus refuse the whole answer.
      if (seen.has(sample)) continue;
      seen.add(sample);
      lines.push(`${sample} ${numberText(metric.value)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function labelText(labels: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(labels ?? {}).filter(([name]) => /^[A-Za-z_]\w*$/.test(name));
  if (entries.length === 0) return '';
  return `{${entries.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

// Runs the suites one after the other, fast ones first, and sums them up: the last line is `N passed, N failed`.
// A suite that this machine cannot run is named with the reason; with CI=true that is a failure, since then
// nothing may be left out. Arguments name suites: `npm test -- unit site` runs just these.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ci = process.env.CI === 'true' || process.env.CI === '1';
const reports = mkdtempSync(path.join(tmpdir(), 'datasette-stripe-test-'));
const minute = 60_000;

/** What a suite came to. `skipped` counts tests that the suite itself left out, `failures` names those that failed. */
const nothing = { passed: 0, failed: 0, skipped: 0, failures: [] };

const suites = [
  command('format', ['npm', 'run', '--silent', 'format:check']),
  command('lint', ['npm', 'run', '--silent', 'lint']),
  command('typecheck', ['npm', 'run', '--silent', 'typecheck']),
  vitest('unit', [], { timeoutMs: 15 * minute }),
  {
    name: 'site',
    missing: () => missingFile('apps/container/datasette/tests', 'the site has no tests'),
    run: runSite,
  },
  {
    name: 'timelines',
    missing: () =>
      timelines().length > 0 ? undefined : 'TIMELINES_DIR names no folder of recorded timelines',
    run: () =>
      command('timelines', ['npm', 'run', '--silent', 'verify:timelines', '--', ...timelines()]).run(),
  },
  vitest('packed', ['--config', 'e2e/vitest.config.ts', '--project', 'packed']),
  vitest('browser', ['--config', 'e2e/vitest.config.ts', '--project', 'browser'], {
    missing: browserMissing,
  }),
  vitest('image', ['--config', 'e2e/vitest.config.ts', '--project', 'image'], {
    missing: engineMissing,
    timeoutMs: 20 * minute,
  }),
];

process.exitCode = await main(process.argv.slice(2));

async function main(wanted) {
  const unknown = wanted.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    console.error(`no such suite: ${unknown.join(', ')} (${suites.map(({ name }) => name).join(', ')})`);
    return 2;
  }
  const rows = [];
  for (const suite of suites.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const reason = suite.missing?.();
    if (reason !== undefined) {
      rows.push({ name: suite.name, ...nothing, failed: ci ? 1 : 0, note: `left out: ${reason}` });
      continue;
    }
    console.log(`\n== ${suite.name}`);
    const start = Date.now();
    const result = await suite.run();
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    const notes = [];
    if (result.crash) notes.push(result.crash);
    if (result.skipped > 0) {
      notes.push(`${result.skipped} skipped`);
      // A test that skips itself is left out, too.
      if (ci) result.failed += result.skipped;
    }
    rows.push({ name: suite.name, ...result, seconds, note: notes.join('; ') });
  }
  rmSync(reports, { recursive: true, force: true });
  return summarise(rows);
}

function summarise(rows) {
  console.log('\n== summary');
  for (const { name, passed, failed, seconds, note } of rows) {
    const counts = `${String(passed).padStart(5)} passed ${String(failed).padStart(4)} failed`;
    console.log(`${name.padEnd(10)} ${counts} ${(seconds ?? '-').padStart(7)} s  ${note}`.trimEnd());
  }
  for (const failure of rows.flatMap(({ failures }) => failures ?? [])) console.log(`FAILED ${failure}`);
  const passed = rows.reduce((sum, row) => sum + row.passed, 0);
  const failed = rows.reduce((sum, row) => sum + row.failed, 0);
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

/** A suite that is one command: its exit code is the one result. */
function command(name, argv) {
  return {
    name,
    run: async () => {
      const { ok, crash } = await run(argv);
      return { ...nothing, passed: ok ? 1 : 0, failed: ok ? 0 : 1, crash };
    },
  };
}

function vitest(name, args, { missing, timeoutMs } = {}) {
  return {
    name,
    missing,
    run: async () => {
      const report = path.join(reports, `${name}.json`);
      const argv = ['vitest', 'run', ...args, '--reporter=default', '--reporter=json'];
      const ran = await run([...argv, `--outputFile.json=${report}`], { timeoutMs });
      return withCrash(readVitest(report), ran);
    },
  };
}

/** Counts from vitest's JSON report, or undefined when it has written none. */
function readVitest(file) {
  const report = readJson(file);
  if (report === undefined) return undefined;
  // A file that could not be imported or whose hooks failed has no failed test of its own.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const failures = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => failureText(name, fullName, failureMessages.join('\n'))),
  );
  failures.push(...broken.map(({ name, message }) => failureText(name, 'the file itself', message)));
  const skipped = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'pending' || status === 'skipped' || status === 'todo')
      .map(({ fullName }) => `${path.relative('.', name)}: ${fullName}`),
  );
  for (const test of skipped) console.log(`skipped ${test}`);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: skipped.length,
    failures,
  };
}

/** A failed test with the beginning of its message: what a log that is cut to its end has to show. */
function failureText(file, test, message) {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  return [`${path.relative('.', file)}: ${test}`, ...lines.slice(0, 8).map((line) => `    ${line}`)].join(
    '\n',
  );
}

/** The Datasette site's own tests: pytest in a venv of its own, so that the served one holds nothing but the site. */
async function runSite() {
  const folder = 'apps/container/datasette';
  const venv = path.join(folder, '.venv');
  const requirements = ['requirements.txt', 'requirements-test.txt']
    .map((file) => path.join(folder, file))
    .filter((file) => existsSync(file));
  const python = path.join(venv, 'bin/python');
  if (!existsSync(python)) {
    const made = await run(['apps/container/.venv/bin/python', '-m', 'venv', venv]);
    if (!made.ok) return withCrash(undefined, made);
  }
  const install = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  const files = requirements.flatMap((file) => ['-r', file]);
  const installed = await run([...install, '--only-binary', ':all:', '--require-hashes', ...files]);
  if (!installed.ok) return withCrash(undefined, installed);
  const report = path.join(reports, 'site.xml');
  const ran = await run([python, '-m', 'pytest', '-q', `--junitxml=${path.resolve(report)}`, 'tests'], {
    cwd: folder,
  });
  return withCrash(readJunit(report), ran);
}

/** Counts from pytest's JUnit report, or undefined when it has written none. */
function readJunit(file) {
  const suite = existsSync(file) ? /<testsuite [^>]*>/.exec(readFileSync(file, 'utf8'))?.[0] : undefined;
  if (suite === undefined) return undefined;
  const count = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = count('failures') + count('errors');
  const skipped = count('skipped');
  // pytest closes with the names and messages of its own failures.
  return { ...nothing, passed: Math.max(0, count('tests') - failed - skipped), failed, skipped };
}

/** A run that failed without a failed test, or wrote no report, counts as one failure. */
function withCrash(counts, { ok, crash }) {
  if (counts === undefined) return { ...nothing, failed: 1, crash: crash ?? 'no report' };
  if (ok || counts.failed > 0) return { ...counts, crash };
  return { ...counts, failed: 1, crash: crash ?? 'failed outside its tests' };
}

/** Runs a command with its output shown; a command that hangs is ended with all its children. */
function run(argv, { cwd, timeoutMs = 10 * minute } = {}) {
  const [file, ...args] = argv;
  const resolved = file.includes('/') ? path.resolve(file) : file;
  return new Promise((resolve) => {
    const child = spawn(resolved, args, {
      cwd,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' },
    });
    let timedOut = false;
    const end = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended by itself.
      }
    };
    const interrupt = () => end('SIGTERM');
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    const timer = setTimeout(() => {
      timedOut = true;
      end('SIGKILL');
    }, timeoutMs);
    const done = (ok, crash) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
      resolve({ ok, crash });
    };
    child.once('error', (error) => done(false, `${file}: ${error.message}`));
    child.once('exit', (code, signal) => {
      if (timedOut) done(false, `ended after ${timeoutMs / minute} minutes`);
      else done(code === 0, code === 0 ? undefined : `${file} ended with ${signal ?? `exit code ${code}`}`);
    });
  });
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The recorded timelines: each folder of TIMELINES_DIR. */
function timelines() {
  const folder = process.env.TIMELINES_DIR;
  if (folder === undefined || !existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.resolve(folder, entry.name));
}

function missingFile(file, reason) {
  return existsSync(file) && readdirSync(file).length > 0 ? undefined : reason;
}

function engineMissing() {
  const { status } = spawnSync('docker', ['version'], { stdio: 'ignore', timeout: 20_000 });
  return status === 0 ? undefined : 'no Docker engine answers';
}

function browserMissing() {
  const found = [
    process.env.CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ];
  return found.some((file) => file !== undefined && existsSync(file))
    ? undefined
    : 'no Chromium (CHROMIUM names one elsewhere)';
}

import type { StripeKeyAuthenticator } from '@datasette-stripe/auth-proxy';
import type { SupervisorResult } from '@datasette-stripe/supervisor';
import { demoStateExitCode } from './children/messages.ts';
import { ContainerError, type ContainerErrorCode } from './errors.ts';
import type { Ground } from './ground.ts';

/**
 * At the start a refused key ends the container; Stripe out of reach does not.
 *
 * @throws {@link ContainerError} KEY_REFUSED
 */
export async function checkKey(
  key: Pick<StripeKeyAuthenticator, 'check'>,
  { stripe, logger }: Pick<Ground, 'stripe' | 'logger'>,
): Promise<void> {
  const { state, unreachable } = await key.check();
  if (unreachable !== undefined) {
    logger.warn(
      `Stripe cannot be reached (${unreachable}); it is tried again, until then its last word on the key counts`,
    );
  } else if (state === 'refused') throw keyRefused(stripe.secretKey);
}

function keyRefused(secretKey: string): ContainerError {
  return new ContainerError(
    'KEY_REFUSED',
    `STRIPE_SECRET_KEY: Stripe refuses this key (…${secretKey.slice(-4)}); make a new one in Stripe's dashboard and set it`,
  );
}

const errorCodeOf: Readonly<Record<number, ContainerErrorCode>> = {
  2: 'CONFIGURATION',
  3: 'KEY_REFUSED',
  4: 'OTHER_ACCOUNT',
};

/**
 * Why a service that cannot go on takes everything with it.
 *
 * @param said - What the service itself said of it last.
 */
export function endOf(
  result: SupervisorResult,
  said: string | undefined,
  { file, config }: Pick<Ground, 'file' | 'config'>,
): ContainerError {
  const { service = 'a service', exitCode } = result;
  // What exit codes of the original tdog mean is not known.
  const isOurs = service === 'engine' && config.tdogBin === undefined;
  const code = isOurs ? (errorCodeOf[exitCode] ?? 'FAILED') : 'FAILED';
  if (code === 'KEY_REFUSED') {
    return new ContainerError(
      code,
      `STRIPE_SECRET_KEY: ${said ?? 'Stripe refuses this key'}; set another key`,
    );
  }
  if (code === 'OTHER_ACCOUNT') {
    return new ContainerError(
      code,
      `DATA_DIR: ${said ?? `${file} mirrors another account`}; set another folder, or that account's key`,
    );
  }
  if (service === 'emulator' && exitCode === demoStateExitCode) {
    return new ContainerError('DEMO_STATE', `DATA_DIR: ${said ?? "the demo's history cannot be read"}`);
  }
  const reason = said ?? `it ended with exit code ${exitCode} again and again; see logs/${service}.log`;
  return new ContainerError(code, `${service}: ${reason}`);
}

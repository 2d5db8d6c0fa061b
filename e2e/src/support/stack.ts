import { Network, type StartedNetwork } from 'testcontainers';
import { downloaded, startApp, type App, type AppSettings } from './app.ts';
import { startStripeSide, type StripeSide } from './stripe-side.ts';

/** The system under test beside its Stripe, in a network of their own. */
export interface Stack extends AsyncDisposable {
  readonly stripe: StripeSide;
  readonly network: StartedNetwork;
  /** Starts the image as one of the network, with the account's key. */
  start(settings?: Partial<AppSettings>): Promise<App>;
  /** As `start`, and waits until everything has been downloaded. */
  startDownloaded(settings?: Partial<AppSettings>): Promise<App>;
}

/** Starts Stripe's side only: specs differ in how they start the system. */
export async function startStack(image: string): Promise<Stack> {
  const network = await new Network().start();
  const stripe = await startStripeSide(image, network);
  const apps: App[] = [];
  const start: Stack['start'] = async ({ env, ...settings } = {}) => {
    const app = await startApp({
      image,
      network,
      key: stripe.key,
      ...settings,
      env: { ...stripe.env, ...env },
    });
    apps.push(app);
    return app;
  };
  return {
    stripe,
    network,
    start,
    async startDownloaded(settings) {
      const app = await start(settings);
      await downloaded(app);
      return app;
    },
    async [Symbol.asyncDispose]() {
      for (const app of apps) await app.container.stop();
      await stripe.close();
      await network.stop();
    },
  };
}

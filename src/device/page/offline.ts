export interface OfflineEvents {
  /** All files are stored: the page works without a network from now on. */
  onStored(): void;
  /** A new version is stored whole; calling `use` puts it in place and reloads the page. */
  onUpdate(use: () => void): void;
}

/** Stores this version of the page on the device by its service worker, where the browser allows it (https or localhost). */
export async function keepOffline(version: string, events: OfflineEvents): Promise<void> {
  // Browsers leave it out of pages that came over plain http.
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!workers) return;
  const registration = await workers.register('sw.js', { updateViaCache: 'none' });
  let reloading = false;
  const offer = (): void => {
    const { waiting } = registration;
    // Without a controller the page is older than any worker: there is nothing to replace.
    if (!waiting || !workers.controller) return;
    events.onUpdate(() => {
      workers.addEventListener('controllerchange', () => {
        if (!reloading) location.reload();
        reloading = true;
      });
      waiting.postMessage({ activate: true });
    });
  };
  registration.addEventListener('updatefound', () => {
    registration.installing?.addEventListener('statechange', offer);
  });
  offer();
  const { active } = await workers.ready;
  active?.postMessage({ claim: version });
  events.onStored();
}

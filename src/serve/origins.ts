import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { NearmissError } from '../errors.js';

/** True for an address that only this machine reaches. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}

/** The name of a `Host` header, without its port. */
function hostName(header: string): string {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(header.trim()) ?? [];
  return name.toLowerCase();
}

/**
 * Keeps web pages of others from using a service that trusts whoever reaches it. A page's own name may be made to point at
 * this machine (DNS rebinding): the `Host` header tells. And any page may send simple requests: browsers then say where
 * they come from.
 *
 * @param hosts allowed names; any if undefined
 * @throws `NM_ORIGIN_REFUSED`
 */
export function checkOrigin(method: string, headers: IncomingHttpHeaders, hosts: readonly string[] | undefined): void {
  const name = hostName(headers.host ?? '');
  if (hosts !== undefined && !hosts.includes(name)) {
    throw new NearmissError('NM_ORIGIN_REFUSED', `Host: found ${JSON.stringify(name)}, allowed: ${hosts.join(', ')}`);
  }
  if (method === 'GET' || method === 'HEAD') return;
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site' || !isOwn(headers)) {
    throw new NearmissError('NM_ORIGIN_REFUSED', 'Origin: found another site, allowed: the page of this service');
  }
}

/** Whether a request comes from no page, or from one of this service. */
function isOwn({ origin, host }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return true;
  try {
    return new URL(origin).host === host?.toLowerCase();
  } catch {
    return false;
  }
}

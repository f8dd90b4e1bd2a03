import { ERRORS, type ErrorCode, NearmissError } from '../../errors.js';
import type { DeviceConfig } from '../device-config.js';
import type { Answer, BackendInfo, OwnItems, PageItem, Question } from './backend.js';

/** What the page may ask its worker for, and what it gets. */
export interface WorkerCalls {
  open(config: DeviceConfig): BackendInfo;
  search(question: Question, k: number): Omit<Answer, 'total'>;
  add(title: string): OwnItems;
  remove(id: string): OwnItems;
  list(): readonly PageItem[];
}

export interface WorkerRequest {
  readonly number: number;
  readonly call: keyof WorkerCalls;
  readonly args: readonly unknown[];
}

export type WorkerMessage =
  | { readonly progress: readonly [number, number | undefined] }
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly failure: Failure };

/** An error on its way between threads, where classes are lost. */
export interface Failure {
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
}

export function toFailure(error: unknown): Failure {
  if (error instanceof NearmissError) return error.toJSON();
  return { message: error instanceof Error ? error.message : String(error) };
}

export function fromFailure({ code, message, hint }: Failure): Error {
  if (code === undefined || !(code in ERRORS)) return new Error(message);
  return new NearmissError(code as ErrorCode, message, hint === undefined ? {} : { hint });
}

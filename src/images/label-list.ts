import { readFile } from 'node:fs/promises';
import { NearmissError } from '../errors.js';
import type { Pictures } from './pictures.js';
import { labelled } from './pictures.js';

/** Classes of pictures from a CSV file: each row names a picture or a folder, and its class. */
export interface LabelList {
  /** The file, for messages. */
  readonly path: string;
  readonly rows: readonly { readonly key: string; readonly className: string; readonly line: number }[];
}

/**
 * Reads a list of labels: CSV (RFC 4180) whose first column is the relative path of a picture or of a folder of
 * pictures and whose second column, or the one named, is the class.
 *
 * @param column name of the class's column in the header; default the second column
 * @throws `NM_LABELS_INVALID` naming the line
 */
export async function readLabelList(path: string, column?: string): Promise<LabelList> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new NearmissError('NM_LABELS_INVALID', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  const records = csvRecords(text.replace(/^\uFEFF/, ''), path);
  const header = records[0]?.cells ?? [];
  const place = column === undefined ? 1 : header.indexOf(column);
  if (place < 0) {
    throw new NearmissError('NM_LABELS_INVALID', `${path}: found the columns ${header.join(', ')}, not '${column}'`);
  }
  const rows = records.map(({ cells, line }) => {
    const [key, className] = [cells[0]?.trim() ?? '', cells[place]?.trim() ?? ''];
    if (key === '' || className === '') {
      const found = `${cells.length} columns${key === '' || cells.length > place ? ', one of them empty' : ''}`;
      throw new NearmissError(
        'NM_LABELS_INVALID',
        `${path}: line ${line}: found ${found}, allowed: a path and a class`,
      );
    }
    return { key: key.replace(/^\.\//, '').replace(/\/$/, ''), className, line };
  });
  return { path, rows: column === undefined ? rows : rows.slice(1) };
}

/**
 * The same pictures with classes from a list: a row for the picture itself counts before one for its folder, and
 * that before one for a folder around it. A first row that fits no picture is a header. Other rows may be left over: a
 * list may speak of more pictures than a source has.
 *
 * @throws `NM_LABELS_INVALID` for a picture that has no row or two different ones
 */
export function labelPictures(pictures: Pictures, list: LabelList): Pictures {
  const classOf = new Map<string, { readonly className: string; readonly line: number }>();
  for (const { key, className, line } of list.rows) {
    const earlier = classOf.get(key);
    if (earlier && earlier.className !== className) {
      const found = `'${key}' as ${earlier.className} in line ${earlier.line} and as ${className} in line ${line}`;
      throw new NearmissError('NM_LABELS_INVALID', `${list.path}: found ${found}, allowed: one class each`);
    }
    classOf.set(key, { className, line });
  }
  const missing: string[] = [];
  const names = pictures.names.map((name) => {
    for (let key = name; ; key = key.slice(0, key.lastIndexOf('/'))) {
      const found = classOf.get(key);
      if (found) return found.className;
      if (!key.includes('/')) break;
    }
    missing.push(name);
    return '';
  });
  if (missing.length > 0) {
    const found = `no class for ${missing.length} of ${names.length} pictures, ${missing[0]} for instance`;
    throw new NearmissError(
      'NM_LABELS_INVALID',
      `${list.path}: found ${found}; allowed: a row for each, or its folder`,
    );
  }
  return { ...pictures, ...labelled(names) };
}

interface CsvRecord {
  readonly cells: readonly string[];
  /** Of its beginning, from 1. */
  readonly line: number;
}

/** Records of comma-separated text; cells in quotes may hold commas, line ends and doubled quotes. Empty lines are left out. */
function csvRecords(text: string, path: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let cells: string[] = [];
  let cell = '';
  let [line, begun] = [1, 1];
  let quoted = false;
  const endRecord = (): void => {
    cells.push(cell);
    if (cells.length > 1 || cells[0] !== '') records.push({ cells, line: begun });
    [cells, cell] = [[], ''];
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === '\n') line++;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') cell += text[++i]!;
      else quoted = false;
    } else if (character === '"' && cell.trim() === '') [quoted, cell] = [true, ''];
    else if (character === ',') {
      cells.push(cell);
      cell = '';
    } else if (character === '\n') {
      endRecord();
      begun = line;
    } else if (character !== '\r') cell += character;
  }
  if (quoted) throw new NearmissError('NM_LABELS_INVALID', `${path}: line ${begun}: found a quote that is not closed`);
  endRecord();
  return records;
}

/** The first of some files. */
export function firstFile(files: FileList | null | undefined): File | undefined {
  return files?.[0];
}

/** Hears of files that are dropped anywhere on the page, or pasted. Anything else that is dropped or pasted is a problem. */
export function onFiles(found: (file: File) => void, problem: (error: Error) => void): void {
  const { body } = document;
  // Drags enter and leave each element on their way.
  let inside = 0;
  const dragsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
  document.addEventListener('dragenter', (event) => {
    if (dragsFiles(event)) body.classList.toggle('dropping', ++inside > 0);
  });
  document.addEventListener('dragleave', (event) => {
    if (dragsFiles(event)) body.classList.toggle('dropping', --inside > 0);
  });
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    inside = 0;
    body.classList.remove('dropping');
    const file = firstFile(event.dataTransfer?.files);
    if (file) found(file);
    else problem(new Error('No file was dropped. Save the picture first, or copy and paste it.'));
  });
  document.addEventListener('paste', (event) => {
    if (event.target instanceof HTMLInputElement) return; // text for the field
    const file = firstFile(event.clipboardData?.files);
    if (file) found(file);
    else problem(new Error('There is no picture in the clipboard.'));
  });
}

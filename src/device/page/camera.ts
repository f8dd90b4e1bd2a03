/** Why the camera does not open, and what a person can do, by the name of `getUserMedia`'s error. */
const REASONS: Readonly<Record<string, string>> = {
  NotAllowedError:
    'The camera was not allowed. Allow it for this site in the browser’s settings, or choose a picture instead.',
  NotFoundError: 'No camera was found on this device. Choose a picture instead.',
  NotReadableError: 'The camera is in use by another program. Close that one, or choose a picture instead.',
  OverconstrainedError: 'No camera was found on this device. Choose a picture instead.',
  SecurityError: 'The camera is switched off for this page. Choose a picture instead.',
};

/** A dialogue with the camera's picture. */
export class Camera {
  readonly #dialog: HTMLDialogElement;
  readonly #video: HTMLVideoElement;
  #stream: MediaStream | undefined;

  constructor(dialog: HTMLDialogElement, video: HTMLVideoElement) {
    this.#dialog = dialog;
    this.#video = video;
    dialog.addEventListener('close', () => this.#stop()); // also by the Escape key
  }

  /** Opens the camera, the one at the back where there are two. Throws an error for people where that fails. */
  async open(): Promise<void> {
    // Browsers leave it out of pages that came over plain http.
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (!devices) throw new Error('The camera needs a page that came over https. Choose a picture instead.');
    try {
      this.#stream = await devices.getUserMedia({ video: { facingMode: 'environment' }, audio: false });
    } catch (cause) {
      const name = cause instanceof DOMException ? cause.name : '';
      throw new Error(REASONS[name] ?? `The camera could not be opened (${String(cause)}).`, { cause });
    }
    this.#video.srcObject = this.#stream;
    this.#dialog.showModal();
    await this.#video.play();
  }

  /** The present picture; closes the camera. */
  async take(): Promise<Blob> {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (width === 0) throw new Error('The camera has no picture yet. Try again in a moment.');
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    canvas.getContext('2d')!.drawImage(this.#video, 0, 0);
    const picture = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    if (!picture) throw new Error('The camera’s picture could not be taken.');
    this.close();
    return picture;
  }

  close(): void {
    this.#dialog.close();
    this.#stop();
  }

  #stop(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
  }
}

// Owns the files of a message as they are drawn: pictures in place, everything else by its name, to be downloaded.
import { useEffect, useState, type ReactNode } from "react";
import type { Client, Message, SentPart } from "../client/index.ts";
import { fileIdOf } from "../files/index.ts";
import { useClient } from "../react/index.ts";
import { Dialog } from "./dialog.tsx";
import { Icon } from "./icon.tsx";
import { pictureTypes } from "./thumbnail.ts";
import { useUi } from "./ui.tsx";
import { filesOf, knownFile } from "./uploads.ts";

type FilePart = { readonly url: string | undefined; readonly name: string; readonly mediaType: string };

/** The files of a message; of one that is not sent yet, what is known here. */
function partsIn(client: Client, { parts }: Pick<Message, "parts">): FilePart[] {
  return parts.flatMap((part): FilePart[] => {
    if (part.type === "file" && "url" in part && typeof part.url === "string") {
      const name = "filename" in part && typeof part.filename === "string" ? part.filename : "file";
      const mediaType = "mediaType" in part && typeof part.mediaType === "string" ? part.mediaType : "";
      return [{ url: part.url, name, mediaType }];
    }
    if (part.type !== "data-upload" || !("file" in part)) return [];
    const known = knownFile(client, String(part.file));
    return [{ url: undefined, name: known?.name ?? "file", mediaType: known?.mediaType ?? "" }];
  });
}

/** The files of a message that is there, for one that takes its place. */
export const filesToKeep = ({ parts }: Message): SentPart[] =>
  parts.flatMap((part) => {
    const id = part.type === "file" && "url" in part && typeof part.url === "string" ? fileIdOf(part.url) : undefined;
    return id === undefined ? [] : [{ type: "file" as const, file: id }];
  });

export function FileParts({ message }: { readonly message: Message }): ReactNode {
  const client = useClient();
  const { texts } = useUi();
  const files = partsIn(client, message);
  if (files.length === 0) return null;
  return (
    <ul className="tl-file-parts" aria-label={texts.files.of}>
      {files.map((file, i) => (
        <li key={`${i}`}>
          {file.url !== undefined && pictureTypes.has(file.mediaType) && fileIdOf(file.url) !== undefined ? (
            <Picture url={file.url} name={file.name} />
          ) : (
            <Download file={file} />
          )}
        </li>
      ))}
    </ul>
  );
}

function Download({ file }: { readonly file: FilePart }): ReactNode {
  const client = useClient();
  const { texts, fail } = useUi();
  const { url, name } = file;
  const isOurs = url !== undefined && fileIdOf(url) !== undefined;
  const words = (
    <>
      <Icon name="file" />
      <bdi className="tl-file-name">{name}</bdi>
    </>
  );
  // A part whose file is elsewhere is a model's word: nothing is asked there.
  if (!isOurs) return <span className="tl-file-part">{words}</span>;
  const download = async (): Promise<void> => {
    const blob = await filesOf(client).read(url);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  return (
    <button
      type="button"
      className="tl-file-part"
      aria-label={texts.files.download(name)}
      onClick={() => void download().catch(fail)}
    >
      {words}
    </button>
  );
}

/** A picture in a box of a fixed size, so that nothing moves when it comes; large by a click. */
function Picture({ url, name }: { readonly url: string; readonly name: string }): ReactNode {
  const client = useClient();
  const { texts } = useUi();
  const [source, setSource] = useState<string>();
  const [failed, setFailed] = useState(false);
  const [large, setLarge] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    let made: string | undefined;
    filesOf(client)
      .read(url, stop.signal)
      .then(
        (blob) => {
          if (stop.signal.aborted) return undefined;
          made = URL.createObjectURL(blob);
          return setSource(made);
        },
        () => setFailed(!stop.signal.aborted),
      );
    return () => {
      stop.abort();
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [client, url]);
  // Also where the page that carries the chat window does not let a picture be drawn.
  if (failed) return <Download file={{ url, name, mediaType: "" }} />;
  const image = source !== undefined && <img src={source} alt={name} onError={() => setFailed(true)} />;
  return (
    <>
      <button type="button" className="tl-picture" aria-label={texts.files.open(name)} onClick={() => setLarge(true)}>
        {image}
      </button>
      {large && (
        <Dialog title={name} close={() => setLarge(false)}>
          <div className="tl-picture-large">{image}</div>
          <Download file={{ url, name, mediaType: "" }} />
        </Dialog>
      )}
    </>
  );
}

// Owns a dialog: the browser's own, which keeps the focus inside, closes by Esc and gives the focus back.
import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { focusedBeside } from "./focus.ts";
import { IconButton, useUi } from "./ui.tsx";

export function Dialog(props: {
  readonly title: string;
  readonly close: () => void;
  readonly children: ReactNode;
}): ReactNode {
  const { texts } = useUi();
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = box.current;
    const before = focusedBeside(dialog);
    dialog?.showModal();
    return () => {
      dialog?.close();
      // The browser gives the focus back only while the dialog is in the page, which it may no longer be.
      if (before?.isConnected === true) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={box}
      className="tl-dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        props.close();
      }}
      onClick={(event) => {
        // The backdrop is the dialog itself; its content is in the box inside.
        if (event.target === box.current) props.close();
      }}
    >
      <div className="tl-dialog-box">
        <header>
          <h2 id={id}>{props.title}</h2>
          <IconButton icon="close" label={texts.close} onClick={props.close} />
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

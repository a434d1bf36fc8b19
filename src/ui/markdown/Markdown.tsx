// Owns the drawing of a Markdown text that may still grow: one memoised component a block. No HTML string is ever made.
import { memo, useRef, type ReactNode } from "react";
import { createBlockReader, type Block, type BlockReader } from "./blocks.ts";
import { drawBlock } from "./draw.tsx";

export function Markdown({ text, streaming }: { readonly text: string; readonly streaming: boolean }): ReactNode {
  const reader = useRef<BlockReader | undefined>(undefined);
  reader.current ??= createBlockReader();
  const groups = reader.current(text, streaming);
  return (
    <div className="md">
      {/* Neither groups nor blocks change their places: what is in front of them is finished. */}
      {groups.map((group, i) => (
        <Group key={`${i}`} group={group} />
      ))}
    </div>
  );
}

const Group = memo(function Group({ group }: { readonly group: readonly Block[] }): ReactNode {
  return (
    <div className="md-group">
      {group.map((block, i) => (
        <BlockView key={`${i}`} block={block} />
      ))}
    </div>
  );
});

const BlockView = memo(function BlockView({ block }: { readonly block: Block }): ReactNode {
  return drawBlock(block.token, block.open);
});

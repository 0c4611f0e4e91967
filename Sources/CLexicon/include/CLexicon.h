// lexicon-5m, the model of `bnb demo`, and its texts, compiled in. Linking this target registers the files under their paths
// (`lexicon-5m/config.json`, `text/sft_train.jsonl`, ...); read them with `bits_embedded_find`.
#ifndef CLEXICON_H
#define CLEXICON_H
// Does nothing; a call keeps the linker from leaving the target out.
void clexicon_link(void);
#endif

"""What stands for a phrase: a sigil with two letters or with a word, two tokens in every tokenizer that was asked.

Those were Qwen, DeepSeek V3, Mistral Tekken, Llama 3, cl100k and o200k. A word of the phrase costs no more than two
letters, and says what it stands for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, product
from string import ascii_lowercase

SIGIL = "§"
LEAST_TOKENS = 5.4
"""Of a phrase, and of what an entry must save beyond its own line: less is not worth a reader's look."""
MOST_ENTRIES = 64
"""Of one legend. More than that no reader keeps in mind."""
CODE = re.compile(r"§([a-z]{2,8})(?![^\W_])")
"""A code, where it ends: before what is no letter and no digit."""
LOOKALIKE = re.compile(r"§[^\W\d_]")
"""What may be taken for a code. A text that has one is not encoded: no escapes are put into what others wrote."""

_WORD = re.compile(r"[a-z]{3,8}")
_DEAR = """
    bh bk bq bv bw bz cg cj cw dg dj dq fj fq fv fz gc gf gj gk gq gv gw gx hb hc hf hg hj hq hx hz jb jc
    jf jg jh jl jp jq jr jv jw jx jy jz kf kp kq kx kz lh lq lw lz mf mh mj mw mz nq nv nw nz oq pq pv pw
    pz qb qc qe qf qg qh qj qk qm qn qo qv qw qx qy qz rj rq sj sx tg tj tq uq vb vf vj vk vq vx vz wf wg
    wj wk wq wv wz xg xh xj xk xm xn xp xq xr xu xv xw xz yf yh yj yq yv zc zf zg zj zl zp zq zr zv zx
"""
_PAIRS = tuple(pair for pair in map("".join, product(ascii_lowercase, repeat=2)) if pair not in _DEAR.split())
_CHEAP = """
    abi able abs absolute abstract accept access account accuracy act action active actual ada add added
    adding address admin agent alert alias align allocate allow allowed alone along already alt alter
    although always anchor another answer api app append apply archive arg args argument argv arm around
    array arrays articles ask assert assign atan atomic attr auth author authors auto away back backend
    bad bar base based bash basic because begin below best better big bin binary bind bit bits black blank
    block blocks body bold book bool boolean boot border bottom bound branch break bridge broken buf
    buffer bug build building built bullet business button byte bytes cache call callback called cannot
    care case cases cast cat catch category cause center cert change changed changes chapter char charge
    chars check checked child choice choose chrome claim class classes clean clear cli client clone close
    closed closure cloud cls cmd code codes col color column come comes command commands comment comments
    commit common comp company compare compile complete complex compute computer conf config connect
    consider console const constant contact contains content contents context continue control controls
    convert copy core correct could count course cover covered cpp create created creating creation cross
    ctx curl current cursor custom cut dan data database date day deal debug decimal declare decode def
    default define defined del delete depth dest detail details dev device dict diff digit digital dir
    direct disable disabled disk dispatch display dist doc docs document domain don done dot double
    download driver drop due dump duration dynamic early echo edit edu effect either element elements elif
    else email embedded emit empty enable encode encoding end ended endif ends engine english ensure
    entities entity entries entry enum env equal err error errors escape etc eval event events every
    example examples except exec execute exist existing exists exit exp expand expect expected export
    express ext extern external extra fact fail failed failure false family far fast feature features
    field fields figure file filename files fill filter final finally find fine finished fix fixed flag
    flags flat float floor flow flush follow font fonts footer force foreach foreign form format forms
    forward found four free from front ftp full fully func function future general generate generic gets
    git github give given global going good google goto grant graph greater green group groups guess half
    handle handler hard hash hat having head header headers heading height held help helper hex hidden
    high history hold holder holds home hooks host hover http https icon icons idea ignore image images
    img impl import inc include includes index inf info inherit init initial inline input insert inside
    install instance instead int integer internal invalid issue issues italic item items iterator java
    join journal json keep kernel key keys keyword keywords kind know known label labels language large
    last later latest law layout leading leave left legal len length less letter level liable lib library
    license like likely limit limited line lines link linked links linux list listed lists little load
    loaded loading local locale location lock log logic login logo long look loop low lower machine macro
    made mail main major make making malloc man manager manual map margin mark marked master match matches
    material math matrix max maximum maybe mean meaning means media medium member members memory menu
    merge message messages met meta metadata method methods middle min minimum minor missing mit mobile
    mod mode model modified module modules mostly move msg multi multiple name named names nan native need
    neg negative net network never new news next node non none normal notation note notes nothing notice
    null num number numbers numeric obj object objects offer offset often old older ones online open
    operator opt option optional options order origin original oss others output outside over overflow
    override owner pack package padding page pages pair parallel param params parent parse parser part
    partial parts party pas pass password patch path paths pattern pending people percent perform person
    php pip pipe place placed places plain plan platform please plugin plus pod point pointer points
    policy pop port pos position positive possible possibly post power pragma pre prefix prepare present
    prev previous primary print printed printf prints priority private probably problem proc process
    product products profile program progress project projects property proto provided ptr pub public pure
    push puts python query question queue quick quote raise rand random range rather raw read reading real
    really reason record red reduce ref refer regex register regular rel related relative release remote
    remove rename render repeat replace report request require required requires reset resource respect
    rest result results ret return returns reverse right role roman root round routine rule rules run
    running runtime rust safe sam sample save scale scan scope script scripts search sec second seconds
    section security select selected self send sent seq sequence series server service services session
    set sets setting settings setup sha shadow shape share shared shell shift short show side sign signal
    similar simple since single site size sizeof skip slot small socket software sort source space span
    spec special specific speed split sqrt src stable stack stage standard start starting stat state
    states static status std stdio stdlib stem step still stop storage store str stream street strict
    string strings strip strong struct stuff style styles sub subject submit success suite sum summary
    super support switch symbol sync sys system tab table tag tags take tar target task tbody team
    template term terms test testing tests text thanks their theme thing think third though thread three
    throw thus tim time times title tmp token tom tool tools top total trace track transfer tree trim true
    try tuple turn two txt type typedef types ubuntu uint union unique unit unknown unless unsigned update
    updated upon upper url usable usage used user users uses using usr usually utf util utility utils val
    valid value values van var variable variant vars vector vendor verbose verify version versions view
    viewport virtual visible visited void wait warning way ways web weight whatever wheel whether white
    whole whose wide width wiki win window windows with within won word words work working works world
    wrap wrapper write writing written wrong xml xor year yet zero zip zone
"""
_WORDS = frozenset(_CHEAP.split())
NAMES = _WORDS.union(_PAIRS)
"""What `named` calls phrases, without the sigil."""


def named(phrases: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """A code for each phrase: the longest cheap word that it has and no other phrase, or else two letters.

    None begins with another, nor with one of `taken`. Raises ValueError where no two letters are left.
    """
    words = [_WORDS.intersection(_WORD.findall(phrase.lower())) for phrase in phrases]
    uses = Counter(chain.from_iterable(words))
    names = _Names(taken)
    return [names.of(word for word in each if uses[word] == 1) for each in words]


class _Names:
    """The codes that are given, and what they begin with."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._given: set[str] = set()
        self._beginnings: set[str] = set()
        self._pairs = iter(_PAIRS)
        for code in taken:
            self._give(code.removeprefix(SIGIL))

    def of(self, words: Iterable[str]) -> str:
        """The code for a phrase that alone has these words."""
        longest_first = sorted(words, key=lambda word: (-len(word), word))
        for code in chain(longest_first, self._pairs):
            if self._is_free(code):
                return self._give(code)
        raise ValueError("every code of two letters is given: a codebook has room for fewer entries")

    def _is_free(self, code: str) -> bool:
        return code not in self._beginnings and not any(
            code[:end] in self._given for end in range(2, len(code))
        )

    def _give(self, code: str) -> str:
        self._given.add(code)
        self._beginnings.update(code[:end] for end in range(2, len(code) + 1))
        return SIGIL + code

using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Rosenpass;

/// <summary>Biscuits: who made one can read it, for five to ten minutes.</summary>
public class BiscuitTests
{
    private static readonly Instant Start = new(0);

    private readonly Random _random = new(1);
    private readonly byte[] _additionalData = new byte[32];

    [Fact]
    public void A_biscuit_number_has_96_bits_in_little_endian_order()
    {
        var bytes = new byte[Biscuit.Size];
        var biscuit = new Biscuit(bytes) { BiscuitNo = ((UInt128)0x0C0B0A09 << 64) | 0x0807060504030201 };
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], bytes[32..44]);
        Assert.Equal(((UInt128)0x0C0B0A09 << 64) | 0x0807060504030201, biscuit.BiscuitNo);
    }

    [Fact]
    public void A_key_encrypts_for_300_seconds_and_decrypts_for_300_more()
    {
        using var keys = new BiscuitKeys(RosenpassTiming.Default, _random.NextBytes);
        byte[] first = Seal(keys, 0), late = Seal(keys, 299), next = Seal(keys, 300);
        Assert.Equal([0, 0, 1], new[] { first, late, next }.Select(biscuit => biscuit[0] >> 7));
        Assert.True(CanOpen(keys, 599, first));
        Assert.True(CanOpen(keys, 599, late));
        Assert.False(CanOpen(keys, 600, first));
        Assert.True(CanOpen(keys, 899, next));
        byte[] third = Seal(keys, 600);
        Assert.Equal(0, third[0] >> 7);
        Assert.False(CanOpen(keys, 600, late));
        Assert.True(CanOpen(keys, 600, next));
        Assert.True(CanOpen(keys, 600, third));
    }

    [Fact]
    public void A_changed_biscuit_is_none()
    {
        using var keys = new BiscuitKeys(RosenpassTiming.Default, _random.NextBytes);
        byte[] biscuit = Seal(keys, 0);
        for (int bit = 0; bit < 8 * biscuit.Length; bit++)
        {
            biscuit[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(CanOpen(keys, 1, biscuit));
            biscuit[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        _additionalData[0] ^= 1;
        Assert.False(CanOpen(keys, 1, biscuit));
    }

    private byte[] Seal(BiscuitKeys keys, int seconds)
    {
        var ciphertext = new byte[Biscuit.CiphertextSize];
        keys.Seal(Start + TimeSpan.FromSeconds(seconds), _additionalData, new Biscuit(new byte[Biscuit.Size]), ciphertext);
        return ciphertext;
    }

    private bool CanOpen(BiscuitKeys keys, int seconds, byte[] biscuit) =>
        keys.TryOpen(Start + TimeSpan.FromSeconds(seconds), _additionalData, biscuit, new Biscuit(new byte[Biscuit.Size]));
}

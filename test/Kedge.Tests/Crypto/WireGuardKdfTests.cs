using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class WireGuardKdfTests
{
    // Computed by Python 3.11 from the paper's definition (section 5.4), with key 00 01 .. 1f and input 64 65 66 ..; its HMAC and BLAKE2s
    // are not libcrypto's. H = lambda k, m: hmac.new(k, m, hashlib.blake2s).digest()
    // t0 = H(key, input); t1 = H(t0, b'\1'); t2 = H(t0, t1 + b'\2'); t3 = H(t0, t2 + b'\3')
    [Theory]
    [InlineData(
        0,
        "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624",
        "1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd",
        "4eaf02809ac4b930ef63479de62275f1c55656e61f78a3cc653c18a2223d6c5f")]
    [InlineData(
        32,
        "e3b7e038799447459d13f6cc03b71555c0b32ee93354ebe4526ec98bc53b20a4",
        "ca06d8e46b509266c7c0594805ffb9c256348a33c642381348f047e452d239e2",
        "5ee952936bec1473c13db1cc92b8d8ba5ad2df7c77f07478731d48aa5530a000")]
    public void The_outputs_are_those_of_an_independent_calculation(int inputLength, string expected1, string expected2, string expected3)
    {
        byte[] key = Bytes.Ascending(32), input = Bytes.Ascending(inputLength, first: 100);
        byte[] t1 = new byte[32], t2 = new byte[32], t3 = new byte[32];
        WireGuardKdf.Derive1(key, input, t1);
        Assert.Equal(expected1, Convert.ToHexStringLower(t1));

        WireGuardKdf.Derive2(key, input, t1, t2);
        Assert.Equal(expected1, Convert.ToHexStringLower(t1));
        Assert.Equal(expected2, Convert.ToHexStringLower(t2));

        t1.AsSpan().Clear();
        t2.AsSpan().Clear();
        WireGuardKdf.Derive3(key, input, t1, t2, t3);
        Assert.Equal(expected1, Convert.ToHexStringLower(t1));
        Assert.Equal(expected2, Convert.ToHexStringLower(t2));
        Assert.Equal(expected3, Convert.ToHexStringLower(t3));
    }

    [Fact]
    public void Any_output_may_take_the_place_of_the_key()
    {
        byte[] input = Bytes.Ascending(32, first: 100), t1 = new byte[32], t2 = new byte[32], t3 = new byte[32];
        WireGuardKdf.Derive3(Bytes.Ascending(32), input, t1, t2, t3);

        for (int position = 0; position < 3; position++)
        {
            byte[] key = Bytes.Ascending(32);
            byte[][] outputs = [new byte[32], new byte[32], new byte[32]];
            outputs[position] = key;
            WireGuardKdf.Derive3(key, input, outputs[0], outputs[1], outputs[2]);
            Assert.Equal([t1, t2, t3], outputs);
        }
    }

    [Fact]
    public void An_output_of_a_wrong_length_is_refused()
    {
        byte[] key = new byte[32], right = new byte[32], wrong = new byte[31];
        Assert.Throws<ArgumentException>(() => WireGuardKdf.Derive1(key, [], wrong));
        Assert.Throws<ArgumentException>(() => WireGuardKdf.Derive2(key, [], right, wrong));
        Assert.Throws<ArgumentException>(() => WireGuardKdf.Derive2(key, [], right, []));
        Assert.Throws<ArgumentException>(() => WireGuardKdf.Derive3(key, [], right, right, wrong));
        Assert.Throws<ArgumentException>(() => WireGuardKdf.Derive3(key, [], right, right, []));
    }
}
